import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.nodes.PersistentTtlNode;
import org.apache.zookeeper.CreateMode;

/** PersistentNode, PersistentTtlNode and GroupMember. */
public final class Nodes implements Peer.Family {
    @Override
    public void addTo(Map<String, Peer.Command> commands) {
        commands.put("node.keep", (actor, words) -> {
            String path = words.next();
            CreateMode mode = CreateMode.valueOf(words.next());
            boolean isProtected = words.next().equals("protected");
            PersistentNode node = new PersistentNode(actor.client(), mode, isProtected, path, words.bytes());
            node.start();
            if (!node.waitForInitialCreate(1, TimeUnit.MINUTES)) {
                throw new IllegalStateException("the node is not created");
            }
            actor.keep(PersistentNode.class, node);
            return node.getActualPath();
        });
        commands.put("node.set", (actor, words) -> {
            actor.kept(PersistentNode.class).setData(words.bytes());
            return null;
        });
        commands.put("node.close", (actor, words) -> {
            actor.taken(PersistentNode.class).close();
            return null;
        });
        commands.put("ttl.keep", (actor, words) -> {
            PersistentTtlNode node = new PersistentTtlNode(actor.client(), words.next(), words.number(), words.bytes());
            node.start();
            if (!node.waitForInitialCreate(1, TimeUnit.MINUTES)) {
                throw new IllegalStateException("the node is not created");
            }
            actor.keep(PersistentTtlNode.class, node);
            return null;
        });
        commands.put("ttl.close", (actor, words) -> {
            actor.taken(PersistentTtlNode.class).close();
            return null;
        });
        addGroup(commands);
    }

    private static void addGroup(Map<String, Peer.Command> commands) {
        commands.put("group.join", (actor, words) -> {
            GroupMember member = new GroupMember(actor.client(), words.next(), words.next(), words.bytes());
            member.start();
            actor.keep(GroupMember.class, member);
            return null;
        });
        commands.put("group.members", (actor, words) -> {
            List<String> expected = words.list();
            for (;;) { // its cache follows the group in the background
                List<String> members = members(actor.kept(GroupMember.class));
                if (members.equals(expected)) {
                    return members;
                }
                Thread.sleep(5);
            }
        });
        commands.put("group.set", (actor, words) -> {
            actor.kept(GroupMember.class).setThisData(words.bytes());
            return null;
        });
        commands.put("group.leave", (actor, words) -> {
            actor.taken(GroupMember.class).close();
            return null;
        });
    }

    private static List<String> members(GroupMember group) {
        List<String> members = new ArrayList<>();
        new TreeMap<>(group.getCurrentMembers()).forEach((id, payload) -> members.add(id + "=" + Peer.hex(payload)));
        return members;
    }
}
