"""Uses a server through kazoo and prints what it sees; "EXPIRE" asks the test to end the session."""
import queue
import sys

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import BadVersionError, NoAuthError, NodeExistsError, NoNodeError, RolledBackError
from kazoo.recipe.cache import TreeCache
from kazoo.security import make_digest_acl


def say(*what):
    print(*what, flush=True)


zk = KazooClient(hosts=sys.argv[1], timeout=10)
states = queue.Queue()
zk.add_listener(states.put)
zk.start()
say("state", states.get(timeout=10))
say("version", zk.server_version(), zk.command(b"ruok"))

say(zk.create("/k/a/b", b"data", makepath=True))
say(zk.create("/k/s-", sequence=True, ephemeral=True), zk.create("/k/s-", sequence=True))
path, stat = zk.create("/k/stat", b"12345", include_data=True)
say(path, stat.dataLength, stat.version)
data, stat = zk.get("/k/a/b")
say(data, stat.version, zk.set("/k/a/b", b"new").version)
for call, error in ((lambda: zk.create("/k"), NodeExistsError), (lambda: zk.get("/none"), NoNodeError),
                    (lambda: zk.set("/k", b"", version=9), BadVersionError)):
    try:
        call()
        say("no", error.__name__)
    except error:
        say(error.__name__)

t = zk.transaction()
t.create("/k/t")
t.check("/k/t", version=0)
t.set_data("/k/t", b"x")
t.delete("/k/t")
say("transaction", [type(r).__name__ for r in t.commit()])
t = zk.transaction()
t.create("/k/t")
t.delete("/none")
say("rolled back", [type(r).__name__ for r in t.commit()], zk.exists("/k/t"))

events = queue.Queue()
zk.ChildrenWatch("/k")(lambda children: events.put(sorted(children)))
say(events.get(timeout=10))
zk.create("/k/z")
say(events.get(timeout=10))
zk.DataWatch("/k/z")(lambda data, stat: events.put((data, stat and stat.version)))
say(events.get(timeout=10))
zk.set("/k/z", b"1")
say(events.get(timeout=10))

zk.add_auth("digest", "me:secret")
zk.create("/k/mine", acl=[make_digest_acl("me", "secret", all=True)])
other = KazooClient(hosts=sys.argv[1])
other.start()
try:
    other.get("/k/mine")
except NoAuthError:
    say("NoAuthError")
other.stop()
other.close()
say(zk.get("/k/mine")[0], zk.get_acls("/k/mine")[0][0].id.scheme)

with zk.Lock("/klock", "me"):
    say("lock", zk.Lock("/klock").contenders())
with zk.Semaphore("/ksem", max_leases=2):
    say("semaphore")
counter = zk.Counter("/kcount")
counter += 3
counter -= 1
say("counter", counter.value)
with zk.ReadLock("/krw", "me"):
    say("read lock")
with zk.WriteLock("/krw", "me"):
    say("write lock")
election = zk.Election("/kelect", "me")
election.run(lambda: say("elected"))
q = zk.LockingQueue("/kqueue")
q.put(b"item")
say("queue", q.get(timeout=10), q.consume())

cached = queue.Queue()
cache = TreeCache(zk, "/ktree")
cache.listen(lambda event: cached.put(event.event_type))
cache.start()
say("cache", sorted(cached.get(timeout=10) for _ in range(2)))
zk.create("/ktree/x")
say("cache", cached.get(timeout=10))
cache.close()

zk.create("/k/e", ephemeral=True)
while not states.empty():
    states.get()
say("EXPIRE")
say("states", states.get(timeout=20), states.get(timeout=20), states.get(timeout=20))
say("ephemeral", zk.retry(zk.exists, "/k/e"))
zk.delete("/k", recursive=True)
zk.stop()
zk.close()
