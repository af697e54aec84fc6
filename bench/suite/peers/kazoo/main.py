"""Does the benchmark's workloads with kazoo. It obeys the line protocol of package line: a command in a line of standard
input, its answer as a line of JSON on standard output."""
import json
import logging
import platform
import re
import resource
import sys
import threading
import time
import traceback

import kazoo
from kazoo.client import KazooClient

logging.basicConfig(stream=sys.stderr, level=logging.ERROR)

SESSION_TIMEOUT = 20  # seconds, long enough that nothing ends by itself
MAX_SAMPLES = 101
UNITS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def seconds(text):
    """Reads a duration as Go writes it."""
    return sum(float(n) * UNITS[unit] for n, unit in re.findall(r"([0-9.]+)(h|ms|m|s|us|µs|ns)", text))


def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def connect(args):
    client = KazooClient(hosts=args["servers"], timeout=SESSION_TIMEOUT)
    client.start(timeout=60)
    return client


def thin(samples):
    samples = sorted(samples)
    if len(samples) <= MAX_SAMPLES:
        return samples
    return [samples[round(i * (len(samples) - 1) / (MAX_SAMPLES - 1))] for i in range(MAX_SAMPLES)]


def repeat(duration, callers, pause, operation):
    """Lets callers, each in a thread, repeat an operation until the time is over, or do it once if there is none."""
    samples, failures = [[] for _ in range(callers)], []
    used, begin = cpu(), time.perf_counter()

    def loop(caller):
        try:
            while True:
                at = time.perf_counter()
                operation(caller)
                last = time.perf_counter()
                samples[caller].append((last - at) * 1e6)
                if last - begin >= duration:
                    return
                if pause:
                    time.sleep(pause)
        except BaseException as e:  # whatever it is, it fails the run
            failures.append(e)

    threads = [threading.Thread(target=loop, args=(i,)) for i in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    every = [sample for own in samples for sample in own]
    return {
        "ops": len(every),
        "elapsed_us": (time.perf_counter() - begin) * 1e6,
        "cpu_us": (cpu() - used) * 1e6,
        "samples_us": thin(every),
    }


class Exclusive:
    """Watches that what it guards is held by one at a time."""

    def __init__(self):
        self.inside = threading.Lock()

    def __enter__(self):
        if not self.inside.acquire(blocking=False):
            raise RuntimeError("two hold the lock at the same time")

    def __exit__(self, *_):
        self.inside.release()


class Locks:
    """Callers take the lock and give it back again and again."""

    def __init__(self, args):
        self.clients = [connect(args) for _ in range(int(args.get("clients", 1)))]
        self.callers = int(args.get("callers", 1))
        self.locks = [self.clients[i % len(self.clients)].Lock(args["path"], str(i)) for i in range(self.callers)]
        self.held = Exclusive()

    def run(self, duration, args):
        def once(caller):
            lock = self.locks[caller]
            if not lock.acquire():
                raise RuntimeError("not acquired")
            with self.held:
                pass
            lock.release()

        return repeat(duration, self.callers, seconds(args.get("pause", "0s")), once)

    def close(self):
        for client in self.clients:
            client.stop()
            client.close()


class Election:
    """Two candidates hand leadership to each other."""

    def __init__(self, args):
        self.clients = [connect(args) for _ in range(3)]
        self.path = args["path"]
        self.held = Exclusive()

    def campaign(self, i):
        """Returns an event that is set when the candidate leads, the time of that, and an event that lets it resign."""
        leads, resign, at = threading.Event(), threading.Event(), []

        def lead():
            at.append(time.perf_counter())
            with self.held:
                leads.set()
                resign.wait()
            at.append(time.perf_counter())

        election = self.clients[i].Election(self.path, str(i))
        thread = threading.Thread(target=lambda: election.run(lead))
        thread.start()
        return leads, at, resign, thread

    def await_queue(self, n):
        while True:
            done = self.clients[2].exists(self.path).numChildren == n
            time.sleep(0.002)
            if done:
                return

    def run(self, duration, args):
        samples, used, begin = [], cpu(), time.perf_counter()
        now, turn = self.campaign(0), 1
        now[0].wait()
        while not samples or time.perf_counter() - begin < duration:
            following = self.campaign(turn % 2)
            self.await_queue(2)
            now[2].set()
            if not following[0].wait(60):
                raise RuntimeError("nobody leads")
            now[3].join()
            samples.append((following[1][0] - now[1][1]) * 1e6)
            now, turn = following, turn + 1
        now[2].set()
        now[3].join()
        return {
            "ops": len(samples),
            "elapsed_us": (time.perf_counter() - begin) * 1e6,
            "cpu_us": (cpu() - used) * 1e6,
            "samples_us": thin(samples),
        }

    def close(self):
        for client in self.clients:
            client.stop()
            client.close()


class Get:
    """Many callers read one node."""

    def __init__(self, args):
        self.client, self.path = connect(args), args["path"]

    def run(self, duration, args):
        def once(_):
            data, _stat = self.client.get(self.path)
            if len(data) != 128:
                raise RuntimeError("%d bytes were read" % len(data))

        return repeat(duration, int(args.get("callers", 1)), 0, once)

    def close(self):
        self.client.stop()
        self.client.close()


OPENERS = {"lock": Locks, "election": Election, "get": Get}
prepared = {}


def handle(line):
    verb, *words = line.split()
    if verb == "hello":
        return {"text": {
            "version": kazoo.__version__, "runtime": "python " + platform.python_version(), "workloads": " ".join(sorted(OPENERS)),
        }}
    name, words = words[0], words[1:]
    duration = seconds(words.pop(0)) if verb == "run" else 0
    args = dict(word.split("=", 1) for word in words)
    if verb == "prepare":
        if name in prepared:
            raise RuntimeError(name + " is prepared already")
        prepared[name] = OPENERS[name](args)
        return {}
    if verb == "run":
        return prepared[name].run(duration, args)
    if verb == "end":
        prepared.pop(name).close()
        return {}
    raise RuntimeError("there is no command " + verb)


def answer(line):
    try:
        return handle(line)
    except BaseException as e:  # whatever it is, somebody waits for an answer
        traceback.print_exc()
        return {"error": repr(e)}


if __name__ == "__main__":
    for text in iter(sys.stdin.readline, ""):
        print(json.dumps(answer(text)), flush=True)
