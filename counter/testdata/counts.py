"""Does what it reads, with kazoo's counter: "int /path 5 100" adds 5 for a hundred times. Says what there is then."""
import sys

from kazoo.client import KazooClient
from kazoo.recipe.counter import Counter

client = KazooClient(hosts=sys.argv[1], command_retry={"max_tries": -1, "delay": 0.001, "max_delay": 0.05})
client.start()
print("ready", flush=True)
for line in iter(sys.stdin.readline, ""):
    kind, path, delta, times = line.split()
    counter = Counter(client, path, support_curator=True)
    for _ in range(int(times)):
        counter += int(delta)
    print(counter.value, flush=True)
client.stop()
client.close()
