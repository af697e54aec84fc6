package lock

import (
	"time"

	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// Contender is a place in the queue of a lock.
type Contender struct {
	Path     string    // the node, in the client's namespace; the first one if there are several
	Kind     Kind      // what the contender wants
	Position int       // in the queue, counted from 1
	Holds    bool      // whether the contender holds the lock, or the permit; otherwise it waits
	Data     []byte    // the data of the node: see [WithData]
	Session  int64     // the session that owns the node
	Mine     bool      // whether Session is the current session of the client that was asked
	Token    int64     // the fencing token once the contender holds the lock; a hand-over by [LocalHandover] adds 1
	Since    time.Time // when the node was created, by the servers' clock
}

// Kind is what a contender wants.
type Kind uint8

// The kinds of contenders.
const (
	Exclusive Kind = iota // a [Mutex], or the lock of an [RWMutex] for writing
	Read                  // the lock of an [RWMutex] for reading
	Permit                // one permit of a [Semaphore]
)

// String returns "exclusive", "read" or "permit".
func (k Kind) String() string {
	switch k {
	case Read:
		return "read"
	case Permit:
		return "permit"
	}
	return "exclusive"
}

// kindOf returns the kind of a contender whose node has a name of that kind.
func kindOf(k seqnode.Kind) Kind {
	switch {
	case seqnode.Leases.Has(k):
		return Permit
	case k == seqnode.Read || k == seqnode.KazooRead:
		return Read
	}
	return Exclusive
}

// contenders converts a queue, as seen by a client with the given session. permits is the limit of a semaphore.
func contenders(list []contend.Contender, session int64, permits int) []Contender {
	all := make([]Contender, len(list))
	for i, c := range list {
		all[i] = Contender{
			Path: c.Path, Kind: kindOf(c.Kind), Position: i + 1, Data: c.Data, Session: c.Session, Mine: c.Session == session, Token: c.Token, Since: c.Since,
		}
	}
	for i := range all[:holders(all, permits)] {
		all[i].Holds = true
	}
	return all
}

// holders returns how many contenders at the head of a queue hold: as many as there are permits, all readers ahead of the
// first writer, or one.
func holders(all []Contender, permits int) (n int) {
	for n < len(all) && (all[n].Kind == Permit && n < permits || all[n].Kind == Read) {
		n++
	}
	if n == 0 && len(all) > 0 && all[0].Kind == Exclusive {
		return 1
	}
	return n
}
