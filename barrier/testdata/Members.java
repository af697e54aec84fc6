import java.io.BufferedReader;
import java.io.InputStreamReader;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.retry.RetryOneTime;

/** Does what it reads, with Curator's barriers: "wait /path", "enter /path 3". Says "ok" when it is done. */
public class Members {
    public static void main(String[] args) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(args[0], new RetryOneTime(100));
        client.start();
        client.blockUntilConnected();
        System.out.println("ok");
        DistributedDoubleBarrier inside = null;
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] word = line.split(" ");
            switch (word[0]) {
                case "set":
                    new DistributedBarrier(client, word[1]).setBarrier();
                    break;
                case "remove":
                    new DistributedBarrier(client, word[1]).removeBarrier();
                    break;
                case "wait":
                    new DistributedBarrier(client, word[1]).waitOnBarrier();
                    break;
                case "enter":
                    inside = new DistributedDoubleBarrier(client, word[1], Integer.parseInt(word[2]));
                    inside.enter();
                    break;
                case "leave":
                    inside.leave();
                    break;
                default:
                    throw new IllegalArgumentException(line);
            }
            System.out.println("ok");
        }
        client.close();
    }
}
