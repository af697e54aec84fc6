import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/** What is said to a command. */
final class Answer {
    /** How many samples an answer carries. */
    private static final int MAX_SAMPLES = 101;

    long ops;
    double elapsedUs;
    double cpuUs;
    double[] samplesUs = {};
    final Map<String, Double> values = new TreeMap<>();
    final Map<String, String> text = new TreeMap<>();

    /** Keeps evenly spaced order statistics of the samples, if there are many. */
    void sample(double[] all) {
        Arrays.sort(all);
        if (all.length <= MAX_SAMPLES) {
            samplesUs = all;
            return;
        }
        samplesUs = new double[MAX_SAMPLES];
        for (int i = 0; i < MAX_SAMPLES; i++) {
            samplesUs[i] = all[(int) Math.round((double) i * (all.length - 1) / (MAX_SAMPLES - 1))];
        }
    }

    String json() {
        StringBuilder b = new StringBuilder("{\"ops\":").append(ops)
                .append(",\"elapsed_us\":").append(elapsedUs)
                .append(",\"cpu_us\":").append(cpuUs)
                .append(",\"samples_us\":").append(Arrays.toString(samplesUs));
        b.append(",\"values\":{");
        String comma = "";
        for (Map.Entry<String, Double> v : values.entrySet()) {
            b.append(comma).append(quote(v.getKey())).append(':').append(v.getValue());
            comma = ",";
        }
        b.append("},\"text\":{");
        comma = "";
        for (Map.Entry<String, String> v : text.entrySet()) {
            b.append(comma).append(quote(v.getKey())).append(':').append(quote(v.getValue()));
            comma = ",";
        }
        return b.append("}}").toString();
    }

    static String quote(String s) {
        StringBuilder b = new StringBuilder("\"");
        for (char c : s.toCharArray()) {
            if (c == '"' || c == '\\') {
                b.append('\\').append(c);
            } else if (c < 0x20) {
                b.append(String.format("\\u%04x", (int) c));
            } else {
                b.append(c);
            }
        }
        return b.append('"').toString();
    }
}
