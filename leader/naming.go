package leader

import (
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// naming is whose names a participant's nodes have.
type naming int

const (
	latch naming = iota
	selector
	shared
)

// queue is the directory of the election, for nodes that are named so. All namings wait for all names.
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
