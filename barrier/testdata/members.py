"""Does what it reads, with kazoo's barriers: "wait /path", "enter /path 3". Says "ok" when it is done."""
import sys

from kazoo.client import KazooClient
from kazoo.recipe.barrier import Barrier, DoubleBarrier

client = KazooClient(hosts=sys.argv[1])
client.start()
print("ok", flush=True)
inside = None
for line in iter(sys.stdin.readline, ""):
    word = line.split()
    if word[0] == "set":
        Barrier(client, word[1]).create()
    elif word[0] == "remove":
        Barrier(client, word[1]).remove()
    elif word[0] == "wait":
        Barrier(client, word[1]).wait()
    elif word[0] == "enter":
        inside = DoubleBarrier(client, word[1], int(word[2]))
        inside.enter()
        assert inside.participating
    elif word[0] == "leave":
        inside.leave()
    else:
        raise ValueError(line)
    print("ok", flush=True)
client.stop()
client.close()
