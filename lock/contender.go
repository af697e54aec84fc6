package lock

import (
	"time"

	"github.com/docent-zk/docent/internal/contend"
)

// Contender is one place in the queue of a lock.
type Contender struct {
	Path    string    // its node, in the client's namespace; the first one if it has several
	Data    []byte    // what the node stores: see [WithData]
	Session int64     // the session that owns the node
	Mine    bool      // that is the present session of the client that was asked
	Token   int64     // the fencing token that it has if it holds, or will have, without [LocalHandover]: the czxid of the node
	Since   time.Time // when the node was created, by the clock of the servers
}

// contenders are those of a queue, as a client with that session sees them.
func contenders(list []contend.Contender, session int64) []Contender {
	all := make([]Contender, len(list))
	for i, c := range list {
		all[i] = Contender{Path: c.Path, Data: c.Data, Session: c.Session, Mine: c.Session == session, Token: c.Token, Since: c.Since}
	}
	return all
}
