package seqnode

import "strings"

// Dialect is the set of kinds that compete with each other in one recipe.
type Dialect uint16

// The dialects of the recipes.
const (
	// Mutex is the queue of a lock or election: Curator's mutex and selector,
	// go-zookeeper's lock, kazoo's lock and election.
	Mutex Dialect = 1<<Lock | 1<<KazooLock
	// Writers are what a reader waits for.
	Writers Dialect = 1<<Write | 1<<KazooLock
	// ReadersWriters is the whole queue of a read/write lock, which is also
	// what a writer waits for.
	ReadersWriters Dialect = Writers | 1<<Read | 1<<KazooRead
	// LatchOnly is the queue of Curator's LeaderLatch.
	LatchOnly Dialect = 1 << Latch
	// AnyElection is the queue of an election that excludes LeaderLatch as
	// well as LeaderSelector and kazoo.
	AnyElection Dialect = LatchOnly | Mutex
	// Leases are the permits taken from a semaphore.
	Leases Dialect = 1 << Lease
)

// Has reports whether nodes of kind k compete in d. Foreign never does.
func (d Dialect) Has(k Kind) bool { return k != Foreign && d>>k&1 == 1 }

// String lists the markers, for logs and errors.
func (d Dialect) String() string {
	var found []string
	for k := Foreign + 1; k < kinds; k++ {
		if d.Has(k) {
			found = append(found, k.Marker())
		}
	}
	return "{" + strings.Join(found, " ") + "}"
}

// Arrange parses the children of a directory. It returns those that compete in d, in the order in which they were created
// (see Sort), and all other children in the order in which they came: foreign names, and the nodes of other recipes. A
// caller ignores these.
func (d Dialect) Arrange(children []string) (queue, rest []Name) {
	queue = make([]Name, 0, len(children))
	for _, child := range children {
		name := Parse(child)
		if d.Has(name.Kind) {
			queue = append(queue, name)
		} else {
			rest = append(rest, name)
		}
	}
	Sort(queue)
	return queue, rest
}
