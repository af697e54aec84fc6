import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.Closeable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.curator.utils.CloseableUtils;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.UriSpec;
import org.apache.curator.x.discovery.details.JsonInstanceSerializer;
import org.springframework.cloud.zookeeper.discovery.ZookeeperInstance;

/** ServiceDiscovery with ServiceCache and ServiceProvider, and its JSON. */
public final class Discovery implements Peer.Family {
    /** A payload of a class of one's own. */
    public static final class Meta {
        public String zone;
        public int weight;
    }

    /** What an actor has of a registry. */
    private static final class Registry implements Closeable {
        final JsonInstanceSerializer<Object> serializer;
        ServiceDiscovery<Object> discovery;
        ServiceCache<Object> cache;
        ServiceProvider<Object> provider;

        Registry(JsonInstanceSerializer<Object> serializer) {
            this.serializer = serializer;
        }

        @Override
        public void close() {
            CloseableUtils.closeQuietly(provider);
            CloseableUtils.closeQuietly(cache);
            CloseableUtils.closeQuietly(discovery);
        }
    }

    private static final ObjectMapper mapper =
            new ObjectMapper().configure(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS, true);

    @Override
    public void addTo(Map<String, Peer.Command> commands) {
        addFormat(commands);
        addRegistration(commands);
        addViews(commands);
    }

    private static void addFormat(Map<String, Peer.Command> commands) {
        commands.put("discovery.format", (actor, words) -> { // the payload's class, "compatible" or "enabled"
            Class<?> payload = Class.forName(words.next());
            boolean compatible = words.next().equals("compatible");
            @SuppressWarnings("unchecked")
            Class<Object> type = (Class<Object>) payload;
            actor.keep(Registry.class, new Registry(new JsonInstanceSerializer<>(type, compatible)));
            return null;
        });
        commands.put("discovery.write", (actor, words) ->
                Peer.hex(actor.kept(Registry.class).serializer.serialize(instance(words))));
        commands.put("discovery.read", (actor, words) ->
                shown(actor.kept(Registry.class).serializer.deserialize(words.bytes())));
        commands.put("discovery.uri", (actor, words) ->
                actor.kept(Registry.class).serializer.deserialize(words.bytes()).buildUriSpec());
    }

    private static void addRegistration(Map<String, Peer.Command> commands) {
        commands.put("discovery.start", (actor, words) -> {
            Registry registry = actor.kept(Registry.class);
            registry.discovery = ServiceDiscoveryBuilder.builder(Object.class)
                    .client(actor.client()).basePath(words.next()).serializer(registry.serializer).build();
            registry.discovery.start();
            return null;
        });
        commands.put("discovery.register", (actor, words) -> {
            actor.kept(Registry.class).discovery.registerService(instance(words));
            return null;
        });
        commands.put("discovery.update", (actor, words) -> {
            actor.kept(Registry.class).discovery.updateService(instance(words));
            return null;
        });
        commands.put("discovery.unregister", (actor, words) -> {
            actor.kept(Registry.class).discovery.unregisterService(instance(words));
            return null;
        });
        commands.put("discovery.names", (actor, words) ->
                new ArrayList<>(new TreeSet<>(actor.kept(Registry.class).discovery.queryForNames())));
        commands.put("discovery.instances", (actor, words) ->
                all(actor.kept(Registry.class).discovery.queryForInstances(words.next())));
        commands.put("discovery.instance", (actor, words) ->
                shown(actor.kept(Registry.class).discovery.queryForInstance(words.next(), words.next())));
    }

    private static void addViews(Map<String, Peer.Command> commands) {
        commands.put("discovery.open", (actor, words) -> {
            Registry registry = actor.kept(Registry.class);
            String name = words.next();
            registry.cache = registry.discovery.serviceCacheBuilder().name(name).build();
            registry.cache.start();
            registry.provider = registry.discovery.serviceProviderBuilder().serviceName(name).build();
            registry.provider.start();
            return null;
        });
        commands.put("discovery.cached", (actor, words) -> {
            List<String> expected = words.list();
            for (;;) { // the cache follows in the background
                List<String> ids = ids(actor.kept(Registry.class).cache.getInstances());
                if (ids.equals(expected)) {
                    return ids;
                }
                Thread.sleep(5);
            }
        });
        commands.put("discovery.provided", (actor, words) -> {
            List<String> expected = words.list();
            ServiceProvider<Object> provider = actor.kept(Registry.class).provider;
            for (;;) { // as many picks as show who is picked: it takes turns
                List<ServiceInstance<Object>> picked = new ArrayList<>();
                for (int i = 0; i < 4 * expected.size() + 4; i++) {
                    ServiceInstance<Object> instance = provider.getInstance();
                    if (instance != null) {
                        picked.add(instance);
                    }
                }
                if (ids(picked).equals(expected)) {
                    return ids(picked);
                }
                Thread.sleep(5);
            }
        });
    }

    /** An instance in the order of the fields in JSON, with "enabled" at the end. Null is an empty word. */
    private static ServiceInstance<Object> instance(Peer.Words words) {
        String name = words.next(), id = words.next(), address = text(words);
        Integer port = port(words), sslPort = port(words);
        Object payload = payload(words.next(), words.next());
        long time = Long.parseLong(words.next());
        ServiceType type = ServiceType.valueOf(words.next());
        String spec = text(words);
        return new ServiceInstance<>(name, id, address, port, sslPort, payload, time, type,
                spec == null ? null : new UriSpec(spec), Boolean.parseBoolean(words.next()));
    }

    private static String text(Peer.Words words) {
        String word = words.next();
        return word.isEmpty() ? null : word;
    }

    private static Integer port(Peer.Words words) {
        String word = words.next();
        return word.isEmpty() ? null : Integer.valueOf(word);
    }

    private static Object payload(String kind, String value) {
        switch (kind) {
            case "null":
                return null;
            case "String":
                return value;
            case "Boolean":
                return Boolean.valueOf(value);
            case "Integer":
                return Integer.valueOf(value);
            case "Long":
                return Long.valueOf(value);
            case "Double":
                return Double.valueOf(value);
            case "Float":
                return Float.valueOf(value);
            case "BigInteger":
                return new java.math.BigInteger(value);
            case "ArrayList":
                return new ArrayList<Object>(List.of(value, 3));
            case "LinkedHashMap":
                Map<String, Object> map = new LinkedHashMap<>();
                map.put("weight", 3);
                map.put("zone", value);
                return map;
            case "Meta":
                Meta meta = new Meta();
                meta.zone = value;
                meta.weight = 3;
                return meta;
            case "Spring":
                Map<String, String> metadata = new TreeMap<>(Map.of("instance_status", value, "zone", "a"));
                return new ZookeeperInstance("application-1", "orders", new LinkedHashMap<>(metadata));
            default:
                throw new IllegalArgumentException(kind);
        }
    }

    private static List<String> ids(Collection<ServiceInstance<Object>> instances) {
        TreeSet<String> ids = new TreeSet<>();
        for (ServiceInstance<Object> instance : instances) {
            ids.add(instance.getId());
        }
        return new ArrayList<>(ids);
    }

    private static List<String> all(Collection<ServiceInstance<Object>> instances) throws Exception {
        TreeMap<String, String> all = new TreeMap<>();
        for (ServiceInstance<Object> instance : instances) {
            all.put(instance.getId(), shown(instance));
        }
        return new ArrayList<>(all.values());
    }

    /** An instance in one line, with the payload as plain JSON. */
    private static String shown(ServiceInstance<Object> in) throws Exception {
        if (in == null) {
            return "none";
        }
        return String.join("|", String.valueOf(in.getName()), String.valueOf(in.getId()), String.valueOf(in.getAddress()),
                String.valueOf(in.getPort()), String.valueOf(in.getSslPort()), mapper.writeValueAsString(in.getPayload()),
                String.valueOf(in.getRegistrationTimeUTC()), String.valueOf(in.getServiceType()),
                in.getUriSpec() == null ? "null" : in.buildUriSpec(), String.valueOf(in.isEnabled()));
    }
}
