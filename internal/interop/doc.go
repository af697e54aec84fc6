// Package interop holds docent against its peers on the same servers: Apache Curator (Java), kazoo (Python) and
// go-zookeeper's zk.Lock. It is tests only; docs/interop.md says what they show.
//
// # Peers
//
// Clients of another language live in one process for the whole test run, a peer: testdata/java/Peer.java, compiled by the
// test that needs it first, and testdata/kazoo/peer.py. Peers speak one protocol over standard input and output:
//
//	12 TestMutex-1 lock.acquire mutex %2Flocks%2Fa
//	13 TestMutex-2 group.members
//	13 ok a=3031 b=
//	12 ok
//	14 failed java.lang.IllegalStateException%3A+...
//
// that is: id, actor, command and arguments; and the same id with what became of it. Words are URL-encoded and bytes are
// hexadecimal. An actor is one participant: a client with a session and one thread, in which its commands run one after
// the other. Different actors work at the same time, and answers come in any order.
//
// A family of commands is a file of its own beside Peer.java (a class that implements Peer.Family) or peer.py (a module with a
// dict COMMANDS). Nothing needs to be told of a new one: the tests compile and load what is there.
//
// # Critical sections
//
// What excludes each other is shown without clocks. Somebody who holds a lock puts a mark of its own on a board, a directory,
// and lists it: nobody may be there whom the lock excludes. Of two who are inside together, the one who came later sees the
// other's mark. Then it reads a counter, and in one transaction writes what follows and takes its mark back. Increments that
// overlap are lost, and in the end the counter must equal the number of sections. It counts, too, how often a section came
// from somebody else than the one before, so that a test that ran one side after the other is not taken for a proof.
package interop
