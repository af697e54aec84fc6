import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.api.transaction.CuratorOp;
import org.apache.zookeeper.CreateMode;

/** Many critical sections in a row. */
public final class Sections implements Peer.Family {
    @Override
    public void addTo(Map<String, Peer.Command> commands) {
        commands.put("sections", (actor, words) -> {
            Locks.Lock lock = Locks.open(actor.client(), words.next(), words.next());
            int times = words.number();
            Section section = new Section(actor.client(), words);
            for (int i = 0; i < times; i++) {
                if (!lock.acquire(-1)) {
                    throw new IllegalStateException("not acquired");
                }
                try {
                    section.run();
                } finally {
                    lock.release();
                }
            }
            return times;
        });
    }

    /** What is done while the lock is held: see the package comment of the tests. */
    private static final class Section {
        private final CuratorFramework client;
        private final String board;
        private final String tag;
        private final String name;
        private final int marks;
        private final List<String> against;
        private final int limit;
        private final List<String> counters;

        Section(CuratorFramework client, Peer.Words words) {
            this.client = client;
            board = words.next();
            tag = words.next();
            name = words.next();
            marks = words.number();
            against = words.list();
            limit = words.number();
            counters = words.list();
        }

        void run() throws Exception {
            List<CuratorOp> leave = new ArrayList<>();
            for (int i = 0; i < marks; i++) {
                String mark = board + "/" + tag + "-" + name + "-" + i;
                client.create().withMode(CreateMode.EPHEMERAL).forPath(mark);
                leave.add(client.transactionOp().delete().forPath(mark));
            }
            look();
            for (String counter : counters) {
                String old = new String(client.getData().forPath(counter), StandardCharsets.UTF_8);
                leave.add(client.transactionOp().setData().forPath(counter, next(old)));
            }
            client.transaction().forOperations(leave);
        }

        private void look() throws Exception {
            List<String> inside = client.getChildren().forPath(board);
            long crowd = inside.stream().filter(mark -> against.contains(mark.substring(0, mark.indexOf('-')))).count();
            if (crowd > limit) {
                throw new IllegalStateException("overlap: " + inside + " are inside; " + tag + " allows " + limit);
            }
        }

        /** A counter is "sections hand-overs tag of the last one". */
        private byte[] next(String old) {
            String[] part = old.split(" ");
            int handovers = Integer.parseInt(part[1]) + (part[2].equals(tag) ? 0 : 1);
            return ((Integer.parseInt(part[0]) + 1) + " " + handovers + " " + tag).getBytes(StandardCharsets.UTF_8);
        }
    }
}
