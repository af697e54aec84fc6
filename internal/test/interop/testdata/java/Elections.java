import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.leader.Participant;

/** LeaderLatch and LeaderSelector. Participants are written as ids, that of the leader with a star. */
public final class Elections implements Peer.Family {
    @Override
    public void addTo(Map<String, Peer.Command> commands) {
        addLatch(commands);
        addSelector(commands);
    }

    private static void addLatch(Map<String, Peer.Command> commands) {
        commands.put("latch.start", (actor, words) -> {
            LeaderLatch latch = new LeaderLatch(actor.client(), words.next(), words.next());
            latch.start();
            actor.keep(LeaderLatch.class, latch);
            return null;
        });
        commands.put("latch.await", (actor, words) -> {
            actor.kept(LeaderLatch.class).await();
            return null;
        });
        commands.put("latch.leader", (actor, words) -> actor.kept(LeaderLatch.class).getLeader().getId());
        commands.put("latch.participants", (actor, words) -> list(actor.kept(LeaderLatch.class).getParticipants()));
        commands.put("latch.close", (actor, words) -> {
            actor.taken(LeaderLatch.class).close();
            return null;
        });
    }

    private static void addSelector(Map<String, Peer.Command> commands) {
        commands.put("selector.start", (actor, words) -> {
            Leader leader = new Leader();
            LeaderSelector selector = new LeaderSelector(actor.client(), words.next(), leader);
            selector.setId(words.next());
            actor.keep(Leader.class, leader);
            actor.keep(LeaderSelector.class, selector);
            selector.start();
            return null;
        });
        commands.put("selector.await", (actor, words) -> {
            actor.kept(Leader.class).leads.await();
            return null;
        });
        commands.put("selector.leader", (actor, words) -> actor.kept(LeaderSelector.class).getLeader().getId());
        commands.put("selector.participants", (actor, words) -> list(actor.kept(LeaderSelector.class).getParticipants()));
        commands.put("selector.close", (actor, words) -> {
            actor.taken(Leader.class).resign.countDown();
            actor.taken(LeaderSelector.class).close();
            return null;
        });
    }

    private static List<String> list(Iterable<Participant> participants) {
        List<String> ids = new ArrayList<>();
        for (Participant p : participants) {
            ids.add(p.getId() + (p.isLeader() ? "*" : ""));
        }
        return ids;
    }

    /** Leads until it is told to resign. */
    private static final class Leader extends LeaderSelectorListenerAdapter {
        final CountDownLatch leads = new CountDownLatch(1);
        final CountDownLatch resign = new CountDownLatch(1);

        @Override
        public void takeLeadership(CuratorFramework client) throws InterruptedException {
            leads.countDown();
            resign.await();
        }
    }
}
