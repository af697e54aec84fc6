import java.io.BufferedReader;
import java.io.Closeable;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryForever;
import org.apache.curator.utils.CloseableUtils;

/**
 * Does what it reads with Apache Curator, for many actors at once.
 *
 * <p>A line is "id actor command argument...", its answer "id ok value..." or "id failed why". Words are separated by one
 * blank and URL-encoded, bytes are hexadecimal. Each actor is a participant of its own, with a client, a session and one
 * thread, in which its commands run one after the other; those of different actors run at the same time and are answered in
 * any order.
 *
 * <p>The program's arguments are the names of the classes with the commands: see {@link Family}.
 */
public final class Peer {
    /** Some commands that belong together: a class with a constructor without parameters. */
    public interface Family {
        void addTo(Map<String, Command> commands);
    }

    /** What an actor does. The result is null, one value, or a List of values. */
    public interface Command {
        Object run(Actor actor, Words words) throws Exception;
    }

    /** The arguments of a command. */
    public static final class Words {
        private final ArrayDeque<String> words = new ArrayDeque<>();

        Words(String line) {
            for (String word : line.split(" ", -1)) {
                words.add(URLDecoder.decode(word, StandardCharsets.UTF_8));
            }
        }

        public boolean more() {
            return !words.isEmpty();
        }

        public String next() {
            return words.remove();
        }

        public int number() {
            return Integer.parseInt(next());
        }

        public byte[] bytes() {
            String hex = next();
            byte[] bytes = new byte[hex.length() / 2];
            for (int i = 0; i < bytes.length; i++) {
                bytes[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
            }
            return bytes;
        }

        /** The next word as a list, which a comma separates. */
        public List<String> list() {
            String joined = next();
            return joined.isEmpty() ? List.of() : Arrays.asList(joined.split(","));
        }
    }

    /**
     * One participant. Commands leave in it what later ones need, one object of each class. What can be closed is closed
     * with it.
     */
    public static final class Actor {
        private final ExecutorService thread = Executors.newSingleThreadExecutor();
        private final Map<Class<?>, Object> kept = new ConcurrentHashMap<>();
        private volatile CuratorFramework client;
        private volatile boolean closed;

        public CuratorFramework client() {
            if (client == null) {
                throw new IllegalStateException("the actor is not connected");
            }
            return client;
        }

        public <T> void keep(Class<T> type, T object) {
            kept.put(type, object);
        }

        public <T> T kept(Class<T> type) {
            Object object = kept.get(type);
            if (object == null) {
                throw new IllegalStateException("the actor has no " + type.getSimpleName());
            }
            return type.cast(object);
        }

        public <T> T taken(Class<T> type) {
            T object = kept(type);
            kept.remove(type);
            return object;
        }

        void connect(String where, int timeout, byte[] defaultData) throws InterruptedException {
            client = CuratorFrameworkFactory.builder()
                    .connectString(where)
                    .sessionTimeoutMs(timeout)
                    .connectionTimeoutMs(timeout)
                    .defaultData(defaultData)
                    .retryPolicy(new RetryForever(100))
                    .build();
            client.start();
            if (!client.blockUntilConnected(1, TimeUnit.MINUTES)) {
                throw new IllegalStateException("no connection to " + where);
            }
        }

        void close() throws InterruptedException {
            closed = true;
            thread.shutdownNow();
            thread.awaitTermination(10, TimeUnit.SECONDS);
            for (Object object : kept.values()) {
                if (object instanceof Closeable) {
                    CloseableUtils.closeQuietly((Closeable) object);
                }
            }
            if (client != null) {
                client.close();
            }
        }
    }

    private final Map<String, Command> commands = new HashMap<>();
    private final Map<String, Actor> actors = new ConcurrentHashMap<>();
    private final ExecutorService closers = Executors.newCachedThreadPool();
    private final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    private Peer(String[] families) throws ReflectiveOperationException {
        commands.put("connect", (actor, words) -> {
            actor.connect(words.next(), words.number(), words.bytes());
            return null;
        });
        commands.put("session", (actor, words) -> actor.client().getZookeeperClient().getZooKeeper().getSessionId());
        for (String family : families) {
            ((Family) Class.forName(family).getDeclaredConstructor().newInstance()).addTo(commands);
        }
    }

    public static void main(String[] families) throws Exception {
        Peer peer = new Peer(families);
        peer.answer("0", "ok", List.of());
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            peer.accept(line);
        }
        System.exit(0); // takes all sessions along; nobody is there to miss them
    }

    /** Has the actor's thread run the command; "close" interrupts it instead, and forgets the actor. */
    private void accept(String line) {
        Words words = new Words(line);
        String id = words.next(), name = words.next(), command = words.next();
        if (command.equals("close")) {
            Actor actor = actors.remove(name);
            closers.execute(() -> run(id, actor, () -> {
                if (actor != null) {
                    actor.close();
                }
                return null;
            }));
            return;
        }
        Actor actor = actors.computeIfAbsent(name, n -> new Actor());
        actor.thread.execute(() -> run(id, actor, () -> {
            Command found = commands.get(command);
            if (found == null) {
                throw new IllegalArgumentException("there is no command " + command);
            }
            return found.run(actor, words);
        }));
    }

    private interface Work {
        Object run() throws Exception;
    }

    private void run(String id, Actor actor, Work work) {
        try {
            Object result = work.run();
            answer(id, "ok", result == null ? List.of() : result instanceof List ? (List<?>) result : List.of(result));
        } catch (Throwable e) {
            if (actor == null || !actor.closed) { // otherwise it was interrupted
                e.printStackTrace();
            }
            answer(id, "failed", List.of(e.toString()));
        }
    }

    private synchronized void answer(String id, String what, List<?> values) {
        StringBuilder line = new StringBuilder(id).append(' ').append(what);
        for (Object value : values) {
            line.append(' ').append(URLEncoder.encode(String.valueOf(value), StandardCharsets.UTF_8));
        }
        out.println(line);
        out.flush();
    }

    /** Bytes as they are written in a line. */
    public static String hex(byte[] bytes) {
        StringBuilder hex = new StringBuilder();
        for (byte b : bytes) {
            hex.append(String.format("%02x", b));
        }
        return hex.toString();
    }
}
