"""A lock, and what a listener for the connection is told while it is held."""
import threading

from kazoo.recipe.lock import Lock


class States:
    """The states so far, in order."""

    def __init__(self, client):
        self.seen, self.changed = [], threading.Condition()
        client.add_listener(self.add)

    def add(self, state):
        with self.changed:
            self.seen.append(state)
            self.changed.notify_all()

    def wait(self, state):
        with self.changed:
            self.changed.wait_for(lambda: state in self.seen)


def hold(actor, path):
    actor.kept["states"] = States(actor.client)
    actor.kept["held"] = Lock(actor.client, path)
    assert actor.kept["held"].acquire()


def again(actor):
    assert actor.kept["held"].acquire()


COMMANDS = {
    "loss.hold": hold,
    "loss.states": lambda actor: list(actor.kept["states"].seen),
    "loss.await": lambda actor, state: actor.kept["states"].wait(state),
    "loss.holds": lambda actor: str(actor.kept["held"].is_acquired).lower(),
    "loss.again": again,
    "loss.release": lambda actor: actor.kept["held"].release() and None,
}
