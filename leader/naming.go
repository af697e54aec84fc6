package leader

import (
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// naming says which client's node names a participant uses.
type naming int

const (
	latch naming = iota
	selector
	shared
)

// queue returns the election's directory. A participant waits for the nodes of all namings.
func (e *Election) queue() contend.Queue {
	q := contend.Queue{Dir: e.path, Dialect: seqnode.AnyElection, Data: []byte(e.id), ACL: e.acl}
	switch e.naming {
	case latch:
		q.Name = "latch-"
	case selector:
		q.Name = "lock-"
	case shared:
		q.Name, q.Twins = "latch-", []string{"lock-", "__lock__"}
	}
	return q
}
