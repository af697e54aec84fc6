package leader

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
)

// Participant is somebody who stands in an election. The zero Participant stands for nobody.
type Participant struct {
	ID      string    // what its node says who it is
	Path    string    // its node, the first one if it has several
	Token   int64     // fencing token that it has if it leads, or will have: the czxid of its node
	Session int64     // session that owns its node
	Since   time.Time // when the node was created, by the clock of the servers
	Mine    bool      // the session is the present one of the client that was asked
}

// IsNobody reports whether p is the zero Participant.
func (p Participant) IsNobody() bool { return p == Participant{} }

// Participants lists who stands in the election, in order: the first one leads. It is a look at a moment that has
// passed when it returns.
func (e *Election) Participants(ctx context.Context) ([]Participant, error) {
	list, err := e.queue().Contenders(ctx, e.cli)
	if err != nil {
		return nil, e.wrap(err)
	}
	return participants(list, e.session()), nil
}

// session is the present session of the client.
func (e *Election) session() int64 { return e.cli.State().SessionID }

// participants are the contenders, each with one node, as a client with that session sees them. Nodes that were created in one transaction are of one participant.
func participants(list []contend.Contender, session int64) []Participant {
	var all []Participant
	for _, c := range list {
		if n := len(all); n == 0 || all[n-1].Token != c.Token {
			all = append(all, participant(c, session))
		}
	}
	return all
}

func participant(c contend.Contender, session int64) Participant {
	return Participant{ID: string(c.Data), Path: c.Path, Token: c.Token, Session: c.Session, Since: c.Since, Mine: c.Session == session}
}

// Leader is the participant that leads, or [ErrNoLeader]. It is a look at a moment that has passed when it returns.
func (e *Election) Leader(ctx context.Context) (Participant, error) {
	for {
		names, _, err := e.cli.Children(ctx, e.path)
		if errors.Is(err, framework.ErrNoNode) {
			return Participant{}, e.wrap(ErrNoLeader)
		}
		if err != nil {
			return Participant{}, e.wrap(err)
		}
		first := e.queue().First(names)
		if first == "" {
			return Participant{}, e.wrap(ErrNoLeader)
		}
		node, err := e.cli.Get(ctx, first)
		if err == nil {
			return participant(contend.ContenderOf(node), e.session()), nil
		}
		if !errors.Is(err, framework.ErrNoNode) { // gone since it was listed
			return Participant{}, e.wrap(err)
		}
	}
}
