import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.state.ConnectionState;

/** A mutex, and what a listener for the connection is told while it is held. */
public final class Losses implements Peer.Family {
    /** The states so far, in order. */
    private static final class States {
        private final List<String> seen = new ArrayList<>();

        synchronized void add(ConnectionState state) {
            seen.add(state.name());
            notifyAll();
        }

        synchronized List<String> all() {
            return new ArrayList<>(seen);
        }

        synchronized void await(String state) throws InterruptedException {
            while (!seen.contains(state)) {
                wait();
            }
        }
    }

    @Override
    public void addTo(Map<String, Peer.Command> commands) {
        commands.put("loss.hold", (actor, words) -> {
            States states = new States();
            actor.client().getConnectionStateListenable().addListener((client, state) -> states.add(state));
            InterProcessMutex mutex = new InterProcessMutex(actor.client(), words.next());
            mutex.acquire();
            actor.keep(States.class, states);
            actor.keep(InterProcessMutex.class, mutex);
            return null;
        });
        commands.put("loss.states", (actor, words) -> actor.kept(States.class).all());
        commands.put("loss.await", (actor, words) -> {
            actor.kept(States.class).await(words.next());
            return null;
        });
        commands.put("loss.holds", (actor, words) -> actor.kept(InterProcessMutex.class).isAcquiredInThisProcess());
        commands.put("loss.again", (actor, words) -> {
            actor.kept(InterProcessMutex.class).acquire();
            return null;
        });
        commands.put("loss.release", (actor, words) -> {
            actor.kept(InterProcessMutex.class).release();
            return null;
        });
    }
}
