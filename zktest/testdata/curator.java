import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryOneTime;
import org.apache.zookeeper.AddWatchMode;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.data.Stat;

/** Uses a server through Curator and prints what it sees; "EXPIRE" asks the test to end the session. */
class Driver {
    static final BlockingQueue<String> states = new LinkedBlockingQueue<>();

    static void say(Object... what) {
        for (Object o : what) {
            System.out.print(o + " ");
        }
        System.out.println();
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        try (CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], 10000, 10000, new RetryOneTime(100))) {
            client.getConnectionStateListenable().addListener((c, state) -> states.add(state.toString()));
            client.start();
            say("state", states.poll(10, TimeUnit.SECONDS));
            nodes(client);
            recipes(client);
            cache(client);
            expiry(client);
        }
        System.exit(0);
    }

    static void nodes(CuratorFramework client) throws Exception {
        Stat stat = new Stat();
        client.create().storingStatIn(stat).creatingParentContainersIfNeeded().forPath("/c/deep/node", "x".getBytes());
        say("created", stat.getCzxid() > 0, stat.getDataLength());
        client.create().withTtl(3600000).withMode(CreateMode.PERSISTENT_WITH_TTL).forPath("/c/ttl");
        String path = client.create().withProtection().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath("/c/p-");
        say("protected", path.matches("/c/_c_[0-9a-f-]{36}-p-0000000002"));
        say("multi", client.transaction().forOperations(
                client.transactionOp().create().forPath("/c/t"),
                client.transactionOp().setData().forPath("/c/t", "t".getBytes()),
                client.transactionOp().check().forPath("/c/t"),
                client.transactionOp().delete().forPath("/c/t")).size());
        client.delete().deletingChildrenIfNeeded().forPath("/c/deep");
        say("exists", client.checkExists().forPath("/c/deep"));
        client.watchers().add().withMode(AddWatchMode.PERSISTENT_RECURSIVE)
                .usingWatcher((org.apache.zookeeper.Watcher) e -> states.add(e.getType() + " " + e.getPath())).forPath("/c");
        client.create().forPath("/c/seen");
        say("watched", states.poll(10, TimeUnit.SECONDS));
        client.watchers().removeAll().forPath("/c");
        say("removed", states.poll(10, TimeUnit.SECONDS));
        client.create().forPath("/c/unseen");
        say("quiet", states.poll(100, TimeUnit.MILLISECONDS));
    }

    static void recipes(CuratorFramework client) throws Exception {
        InterProcessMutex mutex = new InterProcessMutex(client, "/lock");
        say("mutex", mutex.acquire(10, TimeUnit.SECONDS), mutex.getParticipantNodes().size());
        mutex.release();
        InterProcessReadWriteLock rw = new InterProcessReadWriteLock(client, "/rw");
        say("read", rw.readLock().acquire(10, TimeUnit.SECONDS));
        rw.readLock().release();
        say("write", rw.writeLock().acquire(10, TimeUnit.SECONDS));
        rw.writeLock().release();
        InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, "/semaphore", 2);
        say("leases", semaphore.acquire(2, 10, TimeUnit.SECONDS).size());
        DistributedAtomicLong number = new DistributedAtomicLong(client, "/number", new RetryOneTime(10));
        say("number", number.add(5L).postValue(), number.decrement().postValue());
        DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(client, "/barrier", 1);
        say("barrier", barrier.enter(10, TimeUnit.SECONDS), barrier.leave(10, TimeUnit.SECONDS));
        try (LeaderLatch latch = new LeaderLatch(client, "/latch", "me")) {
            latch.start();
            say("leader", latch.await(10, TimeUnit.SECONDS), latch.getLeader().getId());
        }
    }

    static void cache(CuratorFramework client) throws Exception {
        BlockingQueue<String> events = new LinkedBlockingQueue<>();
        try (CuratorCache cache = CuratorCache.build(client, "/cache")) {
            cache.listenable().addListener((type, before, after) ->
                    events.add(type + " " + (after == null ? before : after).getPath()));
            cache.start();
            client.create().creatingParentsIfNeeded().forPath("/cache/a", "1".getBytes());
            say(events.poll(10, TimeUnit.SECONDS));
            say(events.poll(10, TimeUnit.SECONDS));
            client.setData().forPath("/cache/a", "2".getBytes());
            say(events.poll(10, TimeUnit.SECONDS));
            say("cached", new String(cache.get("/cache/a").get().getData(), StandardCharsets.UTF_8));
            client.delete().forPath("/cache/a");
            say(events.poll(10, TimeUnit.SECONDS));
        }
    }

    static void expiry(CuratorFramework client) throws Exception {
        try (PersistentNode node = new PersistentNode(client, CreateMode.EPHEMERAL, false, "/mine", "data".getBytes())) {
            node.start();
            say("mine", node.waitForInitialCreate(10, TimeUnit.SECONDS));
            long owner = client.checkExists().forPath("/mine").getEphemeralOwner();
            states.clear();
            say("EXPIRE");
            String[] seen = {states.poll(20, TimeUnit.SECONDS), states.poll(20, TimeUnit.SECONDS), states.poll(20, TimeUnit.SECONDS)};
            say("states", Arrays.asList(seen));
            Stat stat = null;
            for (int i = 0; i < 500 && (stat == null || stat.getEphemeralOwner() == owner); i++) {
                Thread.sleep(20);
                stat = client.checkExists().forPath("/mine");
            }
            say("again", stat != null && stat.getEphemeralOwner() != owner);
        }
    }
}
