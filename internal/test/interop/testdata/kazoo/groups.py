"""Party, Counter, Barrier and DoubleBarrier."""
from kazoo.recipe.barrier import Barrier, DoubleBarrier
from kazoo.recipe.counter import Counter
from kazoo.recipe.party import Party, ShallowParty


def join(actor, kind, path, identifier):
    party = {"party": Party, "shallow": ShallowParty}[kind](actor.client, path, identifier)
    party.join()
    actor.kept["party"] = party


def add(actor, kind, path, delta, times):
    """Kinds are int, which Curator can read, and text."""
    counter = Counter(actor.client, path, support_curator=kind == "int")
    for _ in range(int(times)):
        counter += int(delta)
    return counter.value


def enter(actor, path, members):
    inside = DoubleBarrier(actor.client, path, int(members))
    inside.enter()
    assert inside.participating
    actor.kept["inside"] = inside


COMMANDS = {
    "party.join": join,
    "party.members": lambda actor: sorted(actor.kept["party"]),
    "party.leave": lambda actor: actor.kept.pop("party").leave(),
    "count.get": lambda actor, kind, path: Counter(actor.client, path, support_curator=kind == "int").value,
    "count.add": add,
    "barrier.set": lambda actor, path: Barrier(actor.client, path).create() and None,
    "barrier.remove": lambda actor, path: Barrier(actor.client, path).remove() and None,
    "barrier.wait": lambda actor, path: Barrier(actor.client, path).wait() and None,
    "double.enter": enter,
    "double.leave": lambda actor: actor.kept.pop("inside").leave(),
}
