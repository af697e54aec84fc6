import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.details.ServiceCacheListener;
import org.apache.curator.x.discovery.strategies.RoundRobinStrategy;
import org.apache.zookeeper.CreateMode;

/** Kept nodes and services. */
final class Registry {
    private Registry() {}

    static void addTo(Map<String, Main.Opener> openers) {
        openers.put("kept", Kept::new);
        openers.put("pick", Pick::new);
        openers.put("instances", Instances::new);
    }

    /** Nodes that are kept over sessions. What is measured is seen on the server. */
    private static final class Kept implements Main.Workload {
        private final CuratorFramework client;
        private final List<PersistentNode> nodes = new ArrayList<>();

        Kept(Main.Args args) throws Exception {
            client = Main.connect(args);
            for (int i = 0; i < args.number("n", 0); i++) {
                PersistentNode node = new PersistentNode(client, CreateMode.EPHEMERAL, false, args.get("path") + "/kept-" + i, Kit.payload(0));
                node.start();
                nodes.add(node);
            }
            for (PersistentNode node : nodes) {
                if (!node.waitForInitialCreate(1, TimeUnit.MINUTES)) {
                    throw new IllegalStateException("a node is not created");
                }
            }
        }

        @Override
        public Answer run(long nanos, Main.Args args) throws Exception {
            Answer answer = new Answer();
            answer.cpuUs = Kit.cpu() / 1e3;
            answer.text.put("session", String.valueOf(client.getZookeeperClient().getZooKeeper().getSessionId()));
            return answer;
        }

        @Override
        public void close() throws Exception {
            client.close();
        }
    }

    /** Instances are picked in turn. */
    private static final class Pick implements Main.Workload {
        private static final int BATCH = 1000;
        private final CuratorFramework client;
        private final ServiceDiscovery<Object> discovery;
        private final ServiceProvider<Object> provider;

        Pick(Main.Args args) throws Exception {
            client = Main.connect(args);
            discovery = ServiceDiscoveryBuilder.builder(Object.class).client(client).basePath(args.get("path")).build();
            discovery.start();
            provider = discovery.serviceProviderBuilder().serviceName(args.get("service"))
                    .providerStrategy(new RoundRobinStrategy<>()).build();
            provider.start();
            int n = args.number("n", 0);
            Map<String, Integer> seen = new HashMap<>();
            for (int i = 0; i < 5 * n; i++) {
                seen.merge(provider.getInstance().getId(), 1, Integer::sum);
            }
            if (seen.size() != n || seen.values().stream().anyMatch(times -> times != 5)) {
                throw new IllegalStateException("picks are not spread evenly: " + seen);
            }
        }

        @Override
        public Answer run(long nanos, Main.Args args) throws Exception {
            Answer answer = Kit.repeat(nanos, args.number("callers", 1), 0, caller -> {
                for (int i = 0; i < BATCH; i++) {
                    if (provider.getInstance() == null) {
                        throw new IllegalStateException("no instance");
                    }
                }
            });
            answer.ops *= BATCH;
            for (int i = 0; i < answer.samplesUs.length; i++) {
                answer.samplesUs[i] /= BATCH;
            }
            return answer;
        }

        @Override
        public void close() throws Exception {
            provider.close();
            discovery.close();
            client.close();
        }
    }

    /** One of many instances changes at a time, until the view has the change. */
    private static final class Instances implements Main.Workload {
        private final CuratorFramework client;
        private final ServiceDiscovery<Object> discovery;
        private final ServiceCache<Object> cache;
        private final Semaphore changed = new Semaphore(0);
        private final Main.Args args;
        private int port = 2000;

        Instances(Main.Args args) throws Exception {
            this.args = args;
            client = Main.connect(args);
            discovery = ServiceDiscoveryBuilder.builder(Object.class).client(client).basePath(args.get("path")).build();
            discovery.start();
            cache = discovery.serviceCacheBuilder().name(args.get("service")).build();
            cache.addListener(new ServiceCacheListener() {
                @Override
                public void cacheChanged() {
                    changed.release();
                }

                @Override
                public void stateChanged(CuratorFramework client, ConnectionState state) {}
            });
            CountDownLatch started = cache.startImmediate();
            started.await();
            int n = args.number("n", 0);
            if (cache.getInstances().size() != n) {
                throw new IllegalStateException("the service has " + cache.getInstances().size() + " of " + n + " instances");
            }
        }

        @Override
        public Answer run(long nanos, Main.Args more) throws Exception {
            int n = more.number("changes", 10);
            Answer answer = Kit.once(() -> {
                for (int i = 0; i < n; i++) {
                    change();
                }
                return null;
            });
            answer.ops = n;
            return answer;
        }

        private void change() throws Exception {
            port++;
            changed.drainPermits();
            String service = args.get("service");
            String id = String.valueOf(port % args.number("n", 1));
            String data = "{\"name\":\"" + service + "\",\"id\":\"" + id + "\",\"address\":\"10.0.0.1\",\"port\":" + port
                    + ",\"sslPort\":null,\"payload\":null,\"registrationTimeUTC\":1700000000000,\"serviceType\":\"PERMANENT\","
                    + "\"uriSpec\":null,\"enabled\":true}";
            client.setData().forPath(args.get("path") + "/" + service + "/" + id, data.getBytes(java.nio.charset.StandardCharsets.UTF_8));
            if (!changed.tryAcquire(1, TimeUnit.MINUTES)) {
                throw new IllegalStateException("the change was not seen");
            }
        }

        @Override
        public void close() throws Exception {
            cache.close();
            discovery.close();
            client.close();
        }
    }
}
