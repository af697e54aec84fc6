import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;

/** Reads, CuratorCache, and clients that do nothing. */
final class Trees {
    private Trees() {}

    static void addTo(Map<String, Main.Opener> openers) {
        openers.put("get", Get::new);
        openers.put("load", Load::new);
        openers.put("follow", Follow::new);
        openers.put("idle", Idle::new);
    }

    /** Many callers read one node. */
    private static final class Get implements Main.Workload {
        private final CuratorFramework client;
        private final String path;

        Get(Main.Args args) throws Exception {
            client = Main.connect(args);
            path = args.get("path");
        }

        @Override
        public Answer run(long nanos, Main.Args args) throws Exception {
            return Kit.repeat(nanos, args.number("callers", 1), 0, caller -> {
                byte[] data = client.getData().forPath(path);
                if (data.length != 128) {
                    throw new IllegalStateException(data.length + " bytes were read");
                }
            });
        }

        @Override
        public void close() {
            client.close();
        }
    }

    /** A cache is opened until it is complete, each time with a client of its own. */
    private static final class Load implements Main.Workload {
        private final Main.Args args;

        Load(Main.Args args) {
            this.args = args;
        }

        @Override
        public Answer run(long nanos, Main.Args more) throws Exception {
            try (CuratorFramework client = Main.connect(args)) {
                double heap = Kit.heap();
                double threads = Kit.threads();
                CountDownLatch complete = new CountDownLatch(1);
                try (CuratorCache cache = CuratorCache.build(client, args.get("path"))) {
                    cache.listenable().addListener(CuratorCacheListener.builder().forInitialized(complete::countDown).build());
                    Answer answer = Kit.once(() -> {
                        cache.start();
                        complete.await();
                        return null;
                    });
                    answer.values.put("heap_bytes", Kit.heap() - heap);
                    answer.values.put("goroutines", Kit.threads() - threads);
                    int nodes = args.number("nodes", 0);
                    if (cache.size() != nodes) {
                        throw new IllegalStateException("the cache has " + cache.size() + " of " + nodes + " nodes");
                    }
                    return answer;
                }
            }
        }

        @Override
        public void close() {}
    }

    /** A cache is open; each run waits for the nodes of a round. */
    private static final class Follow implements Main.Workload {
        private final CuratorFramework client;
        private final CuratorCache cache;
        private final Kit.Rounds rounds = new Kit.Rounds();

        Follow(Main.Args args) throws Exception {
            client = Main.connect(args);
            cache = CuratorCache.build(client, args.get("path"));
            CountDownLatch complete = new CountDownLatch(1);
            cache.listenable().addListener(CuratorCacheListener.builder()
                    .forInitialized(complete::countDown)
                    .forCreatesAndChanges((before, after) -> rounds.saw(after.getData()))
                    .build());
            cache.start();
            complete.await();
        }

        @Override
        public Answer run(long nanos, Main.Args args) throws Exception {
            return Kit.once(() -> {
                rounds.await(args.number("round", 0), args.number("n", 0));
                return null;
            });
        }

        @Override
        public void close() {
            cache.close();
            client.close();
        }
    }

    /** Clients are opened and do nothing. */
    private static final class Idle implements Main.Workload {
        private final Main.Args args;

        Idle(Main.Args args) {
            this.args = args;
        }

        @Override
        public Answer run(long nanos, Main.Args more) throws Exception {
            int n = more.number("n", 50);
            double heap = Kit.heap();
            double threads = Kit.threads();
            List<CuratorFramework> clients = new ArrayList<>();
            for (int i = 0; i < n; i++) {
                clients.add(Main.connect(args));
            }
            Answer answer = new Answer();
            answer.ops = 1;
            answer.values.put("heap_bytes", (Kit.heap() - heap) / n);
            answer.values.put("goroutines", (Kit.threads() - threads) / n);
            clients.forEach(CuratorFramework::close);
            return answer;
        }

        @Override
        public void close() {}
    }
}
