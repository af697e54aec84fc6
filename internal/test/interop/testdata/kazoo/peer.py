"""Does what it reads with kazoo, for many actors at once.

A line is "id actor command argument...", its answer "id ok value..." or "id failed why". Words are separated by one blank
and URL-encoded, bytes are hexadecimal. Each actor is a participant of its own, with a client, a session and one thread, in
which its commands run one after the other; those of different actors run at the same time and are answered in any order.

The program's arguments are the modules with the commands: functions f(actor, *words) in a dict COMMANDS. What they return
is None, one value, or a list of values.
"""
import importlib
import logging
import queue
import sys
import threading
import traceback
from urllib.parse import quote_plus, unquote_plus

from kazoo.client import KazooClient

logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
output = threading.Lock()


def answer(call, what, values=()):
    line = " ".join([call, what] + [quote_plus(str(v)) for v in values])
    with output:
        print(line, flush=True)


class Actor:
    """One participant. Commands leave in kept what later ones need."""

    def __init__(self):
        self.client = None
        self.kept = {}
        self.work = queue.Queue()
        threading.Thread(target=self.loop, daemon=True).start()

    def loop(self):
        for call, command, words in iter(self.work.get, None):
            run(call, commands[command], self, *words)

    def connect(self, where, timeout_ms):
        self.client = KazooClient(
            hosts=where,
            timeout=int(timeout_ms) / 1000,
            command_retry={"max_tries": -1, "delay": 0.001, "max_delay": 0.05},
            connection_retry={"max_tries": -1, "delay": 0.05, "max_delay": 0.5},
        )
        self.client.start(timeout=60)

    def close(self):
        self.work.put(None)
        if self.client is not None:
            self.client.stop()
            self.client.close()


def run(call, command, *arguments):
    try:
        result = command(*arguments)
        answer(call, "ok", [] if result is None else result if isinstance(result, list) else [result])
    except BaseException as e:  # whatever it is, somebody waits for an answer
        traceback.print_exc()
        answer(call, "failed", [repr(e)])


def close(actor):
    if actor is not None:
        actor.close()


commands = {
    "connect": Actor.connect,
    "session": lambda actor: actor.client.client_id[0],
}
actors = {}


def accept(line):
    call, name, command, *words = [unquote_plus(word) for word in line.rstrip("\n").split(" ")]
    if command == "close":
        threading.Thread(target=run, args=(call, close, actors.pop(name, None)), daemon=True).start()
    elif command not in commands:
        answer(call, "failed", ["there is no command " + command])
    else:
        if name not in actors:
            actors[name] = Actor()
        actors[name].work.put((call, command, words))


if __name__ == "__main__":
    for module in sys.argv[1:]:
        commands.update(importlib.import_module(module).COMMANDS)
    answer("0", "ok")
    for line in iter(sys.stdin.readline, ""):
        accept(line)
