import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.ExponentialBackoffRetry;

/**
 * Does the benchmark's workloads with Apache Curator. It obeys the line protocol of package line: a command in a line of
 * standard input, its answer as a line of JSON on standard output.
 */
public final class Main {
    /** Work that has been prepared. */
    interface Workload extends AutoCloseable {
        /** Does the work for so many nanoseconds, or once if there are none. */
        Answer run(long nanos, Args args) throws Exception;
    }

    /** Prepares a workload. */
    interface Opener {
        Workload open(Args args) throws Exception;
    }

    /** The arguments of a command. */
    static final class Args {
        private final Map<String, String> values = new HashMap<>();

        String get(String key) {
            return values.get(key);
        }

        int number(String key, int otherwise) {
            String value = values.get(key);
            return value == null ? otherwise : Integer.parseInt(value);
        }
    }

    /** Long enough that nothing ends by itself, in milliseconds. */
    private static final int SESSION_TIMEOUT = 20_000;

    private final Map<String, Opener> openers = new TreeMap<>();
    private final Map<String, Workload> open = new HashMap<>();

    public static void main(String[] none) throws Exception {
        Main main = new Main();
        Locks.addTo(main.openers);
        Trees.addTo(main.openers);
        Registry.addTo(main.openers);
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(main.answer(line));
            out.flush();
        }
        System.exit(0); // takes all sessions along; nobody is there to miss them
    }

    static CuratorFramework connect(Args args) throws InterruptedException {
        CuratorFramework client = CuratorFrameworkFactory.builder()
                .connectString(args.get("servers"))
                .sessionTimeoutMs(SESSION_TIMEOUT)
                .connectionTimeoutMs(SESSION_TIMEOUT)
                .retryPolicy(new ExponentialBackoffRetry(20, 10))
                .build();
        client.start();
        client.blockUntilConnected();
        return client;
    }

    private String answer(String line) {
        try {
            return handle(line).json();
        } catch (Throwable e) {
            e.printStackTrace();
            return "{\"error\":" + Answer.quote(e.toString()) + "}";
        }
    }

    private Answer handle(String line) throws Exception {
        String[] words = line.trim().split("\\s+");
        String name = words.length > 1 ? words[1] : "";
        boolean run = words[0].equals("run");
        Args args = new Args();
        for (int i = run ? 3 : 2; i < words.length; i++) {
            int at = words[i].indexOf('=');
            args.values.put(words[i].substring(0, at), words[i].substring(at + 1));
        }
        switch (words[0]) {
            case "hello":
                return hello();
            case "prepare":
                if (!openers.containsKey(name) || open.containsKey(name)) {
                    throw new IllegalArgumentException("there is no workload " + name + ", or it is prepared already");
                }
                open.put(name, openers.get(name).open(args));
                return new Answer();
            case "run":
                return prepared(name).run(nanos(words[2]), args);
            case "end":
                prepared(name);
                open.remove(name).close();
                return new Answer();
            default:
                throw new IllegalArgumentException("there is no command " + words[0]);
        }
    }

    private Workload prepared(String name) {
        Workload workload = open.get(name);
        if (workload == null) {
            throw new IllegalArgumentException(name + " is not prepared");
        }
        return workload;
    }

    private Answer hello() {
        Answer answer = new Answer();
        String jar = CuratorFramework.class.getPackage().getImplementationVersion();
        answer.text.put("version", jar == null ? "5.4.0 (Debian)" : jar);
        answer.text.put("runtime", "java " + System.getProperty("java.version"));
        answer.text.put("workloads", String.join(" ", openers.keySet()));
        return answer;
    }

    /** Reads a duration as Go writes it: 200ms, 1.5s, 1m30s, 0s. */
    static long nanos(String text) {
        double nanos = 0;
        java.util.regex.Matcher parts = java.util.regex.Pattern.compile("([0-9.]+)(h|ms|m|s|us|µs|ns)").matcher(text);
        while (parts.find()) {
            nanos += Double.parseDouble(parts.group(1)) * unit(parts.group(2));
        }
        return (long) nanos;
    }

    private static double unit(String name) {
        switch (name) {
            case "h":
                return 3600e9;
            case "m":
                return 60e9;
            case "s":
                return 1e9;
            case "ms":
                return 1e6;
            case "ns":
                return 1;
            default:
                return 1e3;
        }
    }
}
