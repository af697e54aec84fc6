import java.util.Map;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.retry.RetryNTimes;

/** SharedCount, DistributedAtomicInteger and DistributedAtomicLong, called shared, int and long. */
public final class Counters implements Peer.Family {
    @Override
    public void addTo(Map<String, Peer.Command> commands) {
        commands.put("count.get", (actor, words) -> open(actor.client(), words.next(), words.next()).get());
        commands.put("count.set", (actor, words) -> {
            open(actor.client(), words.next(), words.next()).set(Long.parseLong(words.next()));
            return null;
        });
        commands.put("count.add", (actor, words) -> {
            Count count = open(actor.client(), words.next(), words.next());
            long delta = Long.parseLong(words.next());
            for (int times = words.number(); times > 0; times--) {
                count.add(delta);
            }
            return count.get();
        });
    }

    private interface Count {
        long get() throws Exception;

        void set(long to) throws Exception;

        void add(long delta) throws Exception;
    }

    private static Count open(CuratorFramework client, String kind, String path) throws Exception {
        RetryNTimes again = new RetryNTimes(10000, 1);
        switch (kind) {
            case "int":
                DistributedAtomicInteger i = new DistributedAtomicInteger(client, path, again);
                return atomic(i::get, n -> succeeded(i.trySet((int) n)), d -> succeeded(i.add((int) d)));
            case "long":
                DistributedAtomicLong l = new DistributedAtomicLong(client, path, again);
                return atomic(l::get, n -> succeeded(l.trySet(n)), d -> succeeded(l.add(d)));
            default:
                return shared(new SharedCount(client, path, 0));
        }
    }

    private interface Get {
        AtomicValue<? extends Number> get() throws Exception;
    }

    private interface Change {
        void by(long n) throws Exception;
    }

    private static Count atomic(Get get, Change set, Change add) {
        return new Count() {
            @Override
            public long get() throws Exception {
                return succeeded(get.get()).postValue().longValue();
            }

            @Override
            public void set(long to) throws Exception {
                set.by(to);
            }

            @Override
            public void add(long delta) throws Exception {
                add.by(delta);
            }
        };
    }

    private static <T> AtomicValue<T> succeeded(AtomicValue<T> value) {
        if (!value.succeeded()) {
            throw new IllegalStateException("others were always faster");
        }
        return value;
    }

    private static Count shared(SharedCount count) throws Exception {
        count.start();
        return new Count() {
            @Override
            public long get() {
                return count.getCount();
            }

            @Override
            public void set(long to) throws Exception {
                count.setCount((int) to);
            }

            @Override
            public void add(long delta) throws Exception {
                while (!count.trySetCount(count.getVersionedValue(), count.getCount() + (int) delta)) {
                    Thread.onSpinWait(); // it has read the new value by itself
                }
            }
        };
    }
}
