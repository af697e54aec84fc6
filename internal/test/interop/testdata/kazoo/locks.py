"""Locks, elections and many critical sections in a row. An actor has one lock at a time."""
import threading

from kazoo.recipe.election import Election
from kazoo.recipe.lock import Lock, ReadLock, Semaphore, WriteLock

IDENTIFIER = "kazoo"


def make(actor, kind, path):
    """Returns the lock of a kind: lock, read, write; patient is a lock that knows Curator's names, semaphore/LIMIT."""
    kind, *rest = kind.split("/")
    if kind == "lock":
        return Lock(actor.client, path, IDENTIFIER)
    if kind == "patient":
        return Lock(actor.client, path, IDENTIFIER, extra_lock_patterns=["lock-"])
    if kind == "read":
        return ReadLock(actor.client, path, IDENTIFIER)
    if kind == "write":
        return WriteLock(actor.client, path, IDENTIFIER)
    if kind == "semaphore":
        return Semaphore(actor.client, path, IDENTIFIER, max_leases=int(rest[0]))
    raise ValueError("no lock is a " + kind)


def acquire(actor, kind, path):
    lock = make(actor, kind, path)
    assert lock.acquire()
    actor.kept["lock"] = lock


def try_acquire(actor, kind, path, millis):
    lock = make(actor, kind, path)
    acquired = lock.acquire(blocking=int(millis) > 0, timeout=int(millis) / 1000 or None)
    actor.kept["lock"] = lock
    return str(acquired).lower()


def release(actor):
    actor.kept.pop("lock").release()


def contenders(actor, kind, path):
    return make(actor, kind, path).contenders()


def sections(actor, kind, path, times, *section):
    lock = make(actor, kind, path)
    section = Section(actor.client, *section)
    for _ in range(int(times)):
        assert lock.acquire()
        try:
            section.run()
        finally:
            lock.release()
    return times


class Section:
    """What is done while the lock is held: see the package comment of the tests."""

    def __init__(self, client, board, tag, name, marks, against, limit, counters):
        self.client, self.board, self.tag, self.limit = client, board, tag, int(limit)
        self.against = against.split(",") if against else []
        self.counters = counters.split(",") if counters else []
        self.marks = ["%s/%s-%s-%d" % (board, tag, name, i) for i in range(int(marks))]

    def run(self):
        for mark in self.marks:
            self.client.create(mark, ephemeral=True)
        self.look()
        leave = self.client.transaction()
        for mark in self.marks:
            leave.delete(mark)
        for counter in self.counters:
            leave.set_data(counter, self.next(self.client.get(counter)[0]))
        for result in leave.commit():
            if isinstance(result, Exception):
                raise result

    def look(self):
        inside = self.client.get_children(self.board)
        if sum(mark.split("-")[0] in self.against for mark in inside) > self.limit:
            raise AssertionError("overlap: %s are inside; %s allows %d" % (inside, self.tag, self.limit))

    def next(self, old):
        """A counter is "sections hand-overs tag of the last one"."""
        times, handovers, last = old.decode().split(" ")
        return b"%d %d %s" % (int(times) + 1, int(handovers) + (last != self.tag), self.tag.encode())


class Candidate:
    """Leads until it is told to resign."""

    def __init__(self, client, path, identifier):
        self.election = Election(client, path, identifier)
        self.leads, self.resign = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.election.run, args=(self.lead,), daemon=True)
        self.thread.start()

    def lead(self):
        self.leads.set()
        self.resign.wait()

    def close(self):
        self.resign.set()
        if not self.leads.is_set():
            self.election.cancel()
        self.thread.join()


def stand(actor, path, identifier):
    actor.kept["candidate"] = Candidate(actor.client, path, identifier)


COMMANDS = {
    "lock.acquire": acquire,
    "lock.try": try_acquire,
    "lock.release": release,
    "lock.contenders": contenders,
    "sections": sections,
    "election.start": stand,
    "election.await": lambda actor: actor.kept["candidate"].leads.wait() and None,
    "election.contenders": lambda actor: actor.kept["candidate"].election.contenders(),
    "election.close": lambda actor: actor.kept.pop("candidate").close(),
}
