import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** What workloads have in common; package kit of the peers in Go does the same. */
final class Kit {
    private Kit() {}

    /** One operation of a caller. */
    interface Op {
        void call(int caller) throws Exception;
    }

    private static final OperatingSystemMXBean SYSTEM = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    /** The time that processors have spent in this process, in nanoseconds. */
    static long cpu() {
        return SYSTEM.getProcessCpuTime();
    }

    /** What is in use in bytes when everything that is not needed has been freed. */
    static double heap() throws InterruptedException {
        long used = used();
        for (long before = Long.MAX_VALUE; used < before - (64 << 10); used = used()) {
            before = used;
            Thread.sleep(50); // clients that were closed release their memory
        }
        return used;
    }

    private static long used() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    static double threads() {
        return ManagementFactory.getThreadMXBean().getThreadCount();
    }

    /** Lets callers, each in a thread, repeat an operation until the time is over, or do it once if there is none. */
    static Answer repeat(long nanos, int callers, long pauseNanos, Op op) throws Exception {
        List<Samples> samples = new ArrayList<>();
        List<Thread> threads = new ArrayList<>();
        long cpu = cpu();
        long begin = System.nanoTime();
        for (int i = 0; i < callers; i++) {
            int caller = i;
            Samples own = new Samples();
            samples.add(own);
            Thread thread = new Thread(() -> own.take(begin, nanos, pauseNanos, () -> {
                op.call(caller);
                return null;
            }));
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        Answer answer = new Answer();
        answer.elapsedUs = (System.nanoTime() - begin) / 1e3;
        answer.cpuUs = (cpu() - cpu) / 1e3;
        for (Samples s : samples) {
            if (s.failed != null) {
                throw s.failed;
            }
            answer.ops += s.count;
        }
        double[] all = new double[(int) answer.ops];
        int at = 0;
        for (Samples s : samples) {
            System.arraycopy(s.us, 0, all, at, s.count);
            at += s.count;
        }
        answer.sample(all);
        return answer;
    }

    private static final class Samples {
        double[] us = new double[64];
        int count;
        volatile Exception failed;

        void take(long begin, long nanos, long pauseNanos, Callable<Void> op) {
            try {
                for (long last = begin; ; ) {
                    long at = System.nanoTime();
                    op.call();
                    last = System.nanoTime();
                    if (count == us.length) {
                        us = Arrays.copyOf(us, 2 * count);
                    }
                    us[count++] = (last - at) / 1e3;
                    if (last - begin >= nanos) {
                        return;
                    }
                    if (pauseNanos > 0) {
                        Thread.sleep(pauseNanos / 1_000_000);
                    }
                }
            } catch (Exception e) {
                failed = e;
            }
        }
    }

    /** Measures one call. */
    static Answer once(Callable<?> f) throws Exception {
        Answer answer = new Answer();
        long cpu = cpu();
        long begin = System.nanoTime();
        f.call();
        answer.elapsedUs = (System.nanoTime() - begin) / 1e3;
        answer.cpuUs = (cpu() - cpu) / 1e3;
        answer.ops = 1;
        answer.samplesUs = new double[] {answer.elapsedUs};
        return answer;
    }

    /** Watches that what it guards is held by one at a time. */
    static final class Exclusive {
        private final AtomicInteger inside = new AtomicInteger();
        private final AtomicLong entered = new AtomicLong();
        private volatile long counter; // written in two steps, so that holders at the same time lose steps

        void enter() {
            entered.incrementAndGet();
            if (!inside.compareAndSet(0, 1)) {
                throw new IllegalStateException("two hold the lock at the same time");
            }
            long next = counter + 1;
            counter = next;
        }

        void leave() {
            if (!inside.compareAndSet(1, 0)) {
                throw new IllegalStateException("two hold the lock at the same time");
            }
        }

        void verify() {
            if (counter != entered.get()) {
                throw new IllegalStateException("two hold the lock at the same time: " + counter + " of " + entered + " entries were counted");
            }
        }
    }

    /** Counts nodes by the round that their data names. */
    static final class Rounds {
        private final Map<Integer, Integer> seen = new HashMap<>();
        private int round = -1;
        private int n;

        synchronized void saw(byte[] data) {
            if (data == null || data.length < 14 || data[0] != 'r' || data[5] != '-') {
                return;
            }
            int of = Integer.parseInt(new String(data, 6, 8, java.nio.charset.StandardCharsets.US_ASCII));
            if (seen.merge(of, 1, Integer::sum) >= n && of == round) {
                notifyAll();
            }
        }

        synchronized void await(int awaited, int nodes) throws InterruptedException {
            round = awaited;
            n = nodes;
            long limit = System.nanoTime() + 400_000_000_000L;
            while (seen.getOrDefault(awaited, 0) < nodes) {
                long left = (limit - System.nanoTime()) / 1_000_000;
                if (left <= 0) {
                    throw new IllegalStateException("round " + awaited + ": " + seen.get(awaited) + " of " + nodes + " nodes were seen");
                }
                wait(left);
            }
            if (seen.get(awaited) != nodes) {
                throw new IllegalStateException("round " + awaited + ": " + seen.get(awaited) + " nodes were seen, and " + nodes + " were written");
            }
        }
    }

    /** As the payload of package kit. */
    static byte[] payload(int round) {
        byte[] data = new byte[128];
        Arrays.fill(data, (byte) '.');
        byte[] name = String.format("round-%08d", round).getBytes(java.nio.charset.StandardCharsets.US_ASCII);
        System.arraycopy(name, 0, data, 0, name.length);
        return data;
    }
}
