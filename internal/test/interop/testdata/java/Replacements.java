import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.curator.framework.recipes.cache.ChildData;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;

/** A CuratorCache and what it tells a listener. */
public final class Replacements implements Peer.Family {
    /** What a listener has been told since it was asked last. */
    private static final class Told {
        final List<String> events = Collections.synchronizedList(new ArrayList<>());

        List<String> taken() {
            synchronized (events) {
                List<String> all = new ArrayList<>(events);
                events.clear();
                return all;
            }
        }
    }

    @Override
    public void addTo(Map<String, Peer.Command> commands) {
        commands.put("replaced.open", (actor, words) -> {
            Told told = new Told();
            CountDownLatch initialized = new CountDownLatch(1);
            CuratorCache cache = CuratorCache.build(actor.client(), words.next());
            cache.listenable().addListener(new CuratorCacheListener() {
                @Override
                public void event(Type type, ChildData old, ChildData data) {
                    told.events.add(type + " " + (data == null ? old : data).getPath());
                }

                @Override
                public void initialized() {
                    initialized.countDown();
                }
            });
            cache.start();
            initialized.await();
            actor.keep(CuratorCache.class, cache);
            actor.keep(Told.class, told);
            return null;
        });
        commands.put("replaced.czxid", (actor, words) ->
                actor.kept(CuratorCache.class).get(words.next()).map(d -> d.getStat().getCzxid()).orElse(0L));
        commands.put("replaced.told", (actor, words) -> actor.kept(Told.class).taken());
    }
}
