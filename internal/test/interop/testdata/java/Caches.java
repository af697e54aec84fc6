import java.io.Closeable;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.function.IntSupplier;
import java.util.stream.Stream;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.cache.CuratorCacheStorage;
import org.apache.curator.framework.recipes.cache.TreeCache;
import org.apache.curator.framework.recipes.cache.TreeCacheEvent;

/** CuratorCache ("CuratorCache") and TreeCache ("TreeCache") of a path and everything below it. */
public final class Caches implements Peer.Family {
    @Override
    public void addTo(Map<String, Peer.Command> commands) {
        commands.put("cache.open", (actor, words) -> { // until it is initialized
            Mirror mirror = new Mirror();
            actor.keep(Mirror.class, mirror);
            if (words.next().equals("TreeCache")) {
                mirror.openTree(actor.client(), words.next());
            } else {
                mirror.openCurator(actor.client(), words.next());
            }
            mirror.awaitInitialized();
            return null;
        });
        commands.put("cache.size", (actor, words) -> actor.kept(Mirror.class).size.getAsInt());
        commands.put("sync", (actor, words) -> { // in the thread of events, behind everything that it does now
            CountDownLatch synced = new CountDownLatch(1);
            actor.client().sync().inBackground((client, event) -> synced.countDown()).forPath("/");
            synced.await();
            return null;
        });
        commands.put("cache.await", (actor, words) -> { // that it has so many nodes
            actor.kept(Mirror.class).awaitSize(words.number());
            return null;
        });
        commands.put("cache.mark", (actor, words) -> {
            actor.kept(Mirror.class).storage.mark();
            return null;
        });
        commands.put("cache.reread", (actor, words) -> { // that every node has been read since the mark
            actor.kept(Mirror.class).storage.awaitAll();
            return null;
        });
        commands.put("cache.close", (actor, words) -> {
            actor.taken(Mirror.class).close();
            return null;
        });
        commands.put("heap", (actor, words) -> { // in bytes, of all actors, when nothing more can be freed
            long used = used();
            for (long before = Long.MAX_VALUE; used < before - (64 << 10); used = used()) {
                before = used;
                Thread.sleep(100); // those who have been closed let go of what they have
            }
            return used;
        });
    }

    private static long used() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    /** A cache of either kind. Its monitor is notified when something in it has changed. */
    private static final class Mirror implements Closeable {
        final Storage storage = new Storage();
        IntSupplier size;
        private Closeable cache;
        private boolean initialized;

        void openCurator(CuratorFramework client, String path) {
            CuratorCache opened = CuratorCache.builder(client, path).withStorage(storage).build();
            opened.listenable().addListener(CuratorCacheListener.builder()
                    .forInitialized(() -> changed(true))
                    .forAll((type, before, after) -> changed(false))
                    .build());
            size = opened::size;
            cache = opened;
            opened.start();
        }

        void openTree(CuratorFramework client, String path) throws Exception {
            TreeCache opened = TreeCache.newBuilder(client, path).build();
            opened.getListenable().addListener((c, event) -> changed(event.getType() == TreeCacheEvent.Type.INITIALIZED));
            size = opened::size;
            cache = opened;
            opened.start();
        }

        private synchronized void changed(boolean complete) {
            initialized |= complete;
            notifyAll();
        }

        synchronized void awaitInitialized() throws InterruptedException {
            while (!initialized) {
                wait();
            }
        }

        synchronized void awaitSize(int nodes) throws InterruptedException {
            while (size.getAsInt() != nodes) {
                wait();
            }
        }

        @Override
        public void close() throws java.io.IOException {
            cache.close();
        }
    }

    /**
     * Curator's own storage, which can tell when everything in it has been read again. CuratorCache itself does not say
     * whether it is still behind after a reconnect.
     */
    private static final class Storage implements CuratorCacheStorage {
        private final CuratorCacheStorage nodes = CuratorCacheStorage.standard();
        private volatile Set<String> read;

        void mark() {
            read = ConcurrentHashMap.newKeySet();
        }

        synchronized void awaitAll() throws InterruptedException {
            while (read.size() < nodes.size()) {
                wait();
            }
            read = null;
        }

        @Override
        public Optional<ChildData> put(ChildData node) {
            Optional<ChildData> old = nodes.put(node);
            Set<String> marked = read;
            if (marked != null) {
                marked.add(node.getPath());
                synchronized (this) {
                    notifyAll();
                }
            }
            return old;
        }

        @Override
        public Optional<ChildData> remove(String path) {
            return nodes.remove(path);
        }

        @Override
        public void clear() {
            nodes.clear();
        }

        @Override
        public Optional<ChildData> get(String path) {
            return nodes.get(path);
        }

        @Override
        public int size() {
            return nodes.size();
        }

        @Override
        public Stream<ChildData> stream() {
            return nodes.stream();
        }
    }
}
