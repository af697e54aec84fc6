package leader

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Participant is a candidate in an election, or its leader. The zero Participant means nobody.
type Participant struct {
	ID      string    // the id that its node stores: see [WithID]
	Path    string    // its node, in the client's namespace; the first one if there are several
	Token   int64     // the fencing token, once the participant leads: see [Term.Token]
	Session int64     // the session that owns its node
	Since   time.Time // when the node was created, by the servers' clock
	Mine    bool      // whether Session is the current session of the client that was asked
}

// IsNobody reports whether p is the zero Participant.
func (p Participant) IsNobody() bool { return p == Participant{} }

// Participants lists the participants in the order of the queue; the first one leads. The list is a snapshot, which may
// be out of date when it is returned.
func (e *Election) Participants(ctx context.Context) ([]Participant, error) {
	if err := recipekit.Usable(e.cli); err != nil {
		return nil, e.wrap(err)
	}
	list, err := e.queue().Contenders(ctx, e.cli)
	if err != nil {
		return nil, e.wrap(err)
	}
	return participants(list, e.session()), nil
}

// session returns the client's current session.
func (e *Election) session() int64 { return e.cli.State().SessionID }

// participants converts a queue, as seen by a client with the given session. Nodes that were created in one transaction
// belong to one participant.
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

// Leader returns the participant that leads, or [ErrNoLeader]. The result may be out of date when it is returned.
func (e *Election) Leader(ctx context.Context) (Participant, error) {
	if err := recipekit.Usable(e.cli); err != nil {
		return Participant{}, e.wrap(err)
	}
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
		if !errors.Is(err, framework.ErrNoNode) { // deleted since it was listed
			return Participant{}, e.wrap(err)
		}
	}
}
