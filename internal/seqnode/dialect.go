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

// Arrange parses the children of a directory. It returns those that compete in
// d in the order of their creation, and all others as they came: foreign names
// and the markers of other recipes, which the caller may ignore or refuse.
//
// The error is an *UnorderableError if a competitor has no sequence number, and
// a *SpanError if the numbers are too far apart to say which came first. Nodes
// of other kinds cause no error, however broken their names are.
func (d Dialect) Arrange(children []string) (queue, rest []Name, err error) {
	queue = make([]Name, 0, len(children))
	for _, child := range children {
		name, err := Parse(child)
		switch {
		case !d.Has(name.Kind):
			rest = append(rest, name)
		case err != nil:
			return nil, nil, err
		default:
			queue = append(queue, name)
		}
	}
	if err := Sort(queue); err != nil {
		return nil, nil, err
	}
	return queue, rest, nil
}
