// Package interop tests docent together with Apache Curator (Java), kazoo (Python) and go-zookeeper's zk.Lock on the same servers. It has only
// tests; docs/interop.md describes the results.
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
// A command line has an id, an actor, a command and arguments. An answer has the same id and the result. Words are URL-encoded and bytes are
// hexadecimal. An actor is one participant: a client with a session and one thread, in which its commands run one after
// the other. Different actors work at the same time, and answers come in any order.
//
// A family of commands is a separate file beside Peer.java (a class that implements Peer.Family) or peer.py (a module with a
// dict COMMANDS). The tests compile and load every such file.
//
// # Critical sections
//
// Exclusion is tested without clocks. A holder of a lock creates a mark, a node in a common directory, and lists the directory. It must not find the mark of
// a participant that the lock excludes. If two participants are inside together, the later one finds the other's mark. Then the holder reads a counter, and in
// one transaction writes the next value and deletes its mark. Overlapping increments are lost, so at the end the counter must equal the number
// of sections. The test also counts how often two sections in a row came from different participants. It fails if one side merely ran after the other.
package interop
