import java.util.Map;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;

/** DistributedBarrier and DistributedDoubleBarrier. */
public final class Barriers implements Peer.Family {
    @Override
    public void addTo(Map<String, Peer.Command> commands) {
        commands.put("barrier.set", (actor, words) -> {
            new DistributedBarrier(actor.client(), words.next()).setBarrier();
            return null;
        });
        commands.put("barrier.remove", (actor, words) -> {
            new DistributedBarrier(actor.client(), words.next()).removeBarrier();
            return null;
        });
        commands.put("barrier.wait", (actor, words) -> {
            new DistributedBarrier(actor.client(), words.next()).waitOnBarrier();
            return null;
        });
        commands.put("double.enter", (actor, words) -> {
            DistributedDoubleBarrier inside =
                    new DistributedDoubleBarrier(actor.client(), words.next(), words.number());
            inside.enter();
            actor.keep(DistributedDoubleBarrier.class, inside);
            return null;
        });
        commands.put("double.leave", (actor, words) -> {
            actor.taken(DistributedDoubleBarrier.class).leave();
            return null;
        });
    }
}
