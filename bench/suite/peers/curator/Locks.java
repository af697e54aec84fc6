import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;

/** InterProcessMutex and LeaderLatch. */
final class Locks {
    private Locks() {}

    static void addTo(Map<String, Main.Opener> openers) {
        openers.put("lock", Contended::new);
        openers.put("waiters", Waiters::new);
        openers.put("election", Election::new);
    }

    /** So many clients, each of which has the lock. */
    private abstract static class Clients implements Main.Workload {
        final List<CuratorFramework> clients = new ArrayList<>();
        final List<InterProcessMutex> mutexes = new ArrayList<>();
        final Kit.Exclusive held = new Kit.Exclusive();
        final String path;

        Clients(Main.Args args, int n) throws Exception {
            path = args.get("path");
            for (int i = 0; i < n; i++) {
                clients.add(Main.connect(args));
                mutexes.add(new InterProcessMutex(clients.get(i), path));
            }
        }

        void pass(int caller) throws Exception {
            InterProcessMutex mutex = mutexes.get(caller % mutexes.size());
            mutex.acquire();
            held.enter();
            held.leave();
            mutex.release();
        }

        int queued() throws Exception {
            return clients.get(0).checkExists().forPath(path).getNumChildren();
        }

        void awaitQueue(int n) throws Exception {
            while (true) {
                boolean done = queued() == n;
                Thread.sleep(2);
                if (done) {
                    return;
                }
            }
        }

        @Override
        public void close() {
            clients.forEach(CuratorFramework::close);
        }
    }

    /** Callers take the lock and give it back again and again. */
    private static final class Contended extends Clients {
        private final int callers;

        Contended(Main.Args args) throws Exception {
            super(args, args.number("clients", 1));
            callers = args.number("callers", 1);
        }

        @Override
        public Answer run(long nanos, Main.Args args) throws Exception {
            long pause = args.get("pause") == null ? 0 : Main.nanos(args.get("pause"));
            Answer answer = Kit.repeat(nanos, callers, pause, this::pass);
            held.verify();
            return answer;
        }
    }

    /** Callers queue for a lock that is held, and then all get their turn. */
    private static final class Waiters extends Clients {
        Waiters(Main.Args args) throws Exception {
            super(args, args.number("clients", 1));
        }

        @Override
        public Answer run(long nanos, Main.Args args) throws Exception {
            int n = args.number("n", 1);
            long begin = System.nanoTime();
            long cpu = Kit.cpu();
            mutexes.get(0).acquire();
            CompletableFuture<Answer> ended = CompletableFuture.supplyAsync(() -> {
                try {
                    return Kit.repeat(0, n, 0, this::pass);
                } catch (Exception e) {
                    throw new IllegalStateException(e);
                }
            });
            awaitQueue(n + 1);
            long joined = System.nanoTime();
            mutexes.get(0).release();
            ended.get();
            Answer answer = new Answer();
            answer.ops = n;
            answer.elapsedUs = (System.nanoTime() - begin) / 1e3;
            answer.cpuUs = (Kit.cpu() - cpu) / 1e3;
            answer.values.put("join_us", (joined - begin) / 1e3);
            answer.values.put("pass_us", (System.nanoTime() - joined) / 1e3);
            held.verify();
            return answer;
        }
    }

    /** Two candidates hand leadership to each other. */
    private static final class Election extends Clients {
        private final ExecutorService second = Executors.newCachedThreadPool();

        Election(Main.Args args) throws Exception {
            super(args, 3);
        }

        @Override
        public Answer run(long nanos, Main.Args args) throws Exception {
            Answer answer = new Answer();
            List<Double> samples = new ArrayList<>();
            LeaderLatch now = candidate(0);
            now.await();
            held.enter();
            long begin = System.nanoTime();
            long cpu = Kit.cpu();
            for (int turn = 1; samples.isEmpty() || System.nanoTime() - begin < nanos; turn++) {
                LeaderLatch next = candidate(turn % 2);
                CompletableFuture<Long> elected = CompletableFuture.supplyAsync(() -> await(next), second);
                awaitQueue(2);
                held.leave();
                long resigned = System.nanoTime();
                now.close();
                samples.add((elected.get() - resigned) / 1e3);
                held.enter();
                now = next;
            }
            answer.elapsedUs = (System.nanoTime() - begin) / 1e3;
            answer.cpuUs = (Kit.cpu() - cpu) / 1e3;
            answer.ops = samples.size();
            answer.sample(samples.stream().mapToDouble(Double::doubleValue).toArray());
            held.leave();
            now.close();
            held.verify();
            return answer;
        }

        private LeaderLatch candidate(int client) throws Exception {
            LeaderLatch latch = new LeaderLatch(clients.get(client), path);
            latch.start();
            return latch;
        }

        private static long await(LeaderLatch latch) {
            try {
                latch.await();
                return System.nanoTime();
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void close() {
            second.shutdownNow();
            super.close();
        }
    }
}
