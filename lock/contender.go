package lock

import (
	"time"

	"github.com/docent-zk/docent/internal/contend"
)

// Contender is a place in the queue of a lock.
type Contender struct {
	Path    string    // the node, in the client's namespace; the first one if there are several
	Data    []byte    // the data of the node: see [WithData]
	Session int64     // the session that owns the node
	Mine    bool      // whether Session is the current session of the client that was asked
	Token   int64     // the fencing token once the contender holds the lock; a hand-over by [LocalHandover] adds 1
	Since   time.Time // when the node was created, by the servers' clock
}

// contenders converts a queue, as seen by a client with the given session.
func contenders(list []contend.Contender, session int64) []Contender {
	all := make([]Contender, len(list))
	for i, c := range list {
		all[i] = Contender{Path: c.Path, Data: c.Data, Session: c.Session, Mine: c.Session == session, Token: c.Token, Since: c.Since}
	}
	return all
}
