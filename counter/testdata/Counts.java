import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicInteger;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.curator.retry.RetryOneTime;

/** Does what it reads, with Curator's counters: "int /path 5 100" adds 5 for a hundred times. Says what there is then. */
public class Counts {
    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], new RetryOneTime(100));
        client.start();
        client.blockUntilConnected();
        System.out.println("ready");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] word = line.split(" ");
            String path = word[1];
            int delta = Integer.parseInt(word[2]);
            int times = Integer.parseInt(word[3]);
            switch (word[0]) {
                case "shared": // a seed of 7, and compare and set
                    SharedCount shared = new SharedCount(client, path, 7);
                    shared.start();
                    for (int done = 0; done < times; ) {
                        if (shared.trySetCount(shared.getVersionedValue(), shared.getCount() + delta)) {
                            done++;
                        }
                    }
                    System.out.println(shared.getCount());
                    shared.close();
                    break;
                case "int":
                    DistributedAtomicInteger number = new DistributedAtomicInteger(client, path, new ExponentialBackoffRetry(1, 29, 50));
                    for (int done = 0; done < times; ) {
                        if (number.add(delta).succeeded()) {
                            done++;
                        }
                    }
                    System.out.println(number.get().postValue());
                    break;
                case "long":
                    DistributedAtomicLong wide = new DistributedAtomicLong(client, path, new ExponentialBackoffRetry(1, 29, 50));
                    for (int done = 0; done < times; ) {
                        if (wide.add((long) delta).succeeded()) {
                            done++;
                        }
                    }
                    System.out.println(wide.get().postValue());
                    break;
                default:
                    throw new IllegalArgumentException(line);
            }
        }
        client.close();
    }
}
