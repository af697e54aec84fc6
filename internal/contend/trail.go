package contend

import (
	"context"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Trail is what the places of a client leave behind in a queue: it shows a later place that nobody has come in between, without a list.
//
// Zxids are consecutive. If a place was created two transactions after one that was released before, then the release is all that has
// happened on the servers in between. Nobody was ahead of the earlier place, which was granted, so nobody is ahead of the later one.
//
// This is true on one connection. Behind another one there may be servers that were restored from a backup, which give the same zxids away again.
type Trail struct {
	mu     sync.Mutex
	latest footprint
	streak int // how many places in a row followed an earlier one like this
}

// footprint is a place that was released.
type footprint struct {
	session int64
	on      int // the connection on which it was created; 0 if that is not known
	number  int32
	czxid   int64 // 0 for none
}

// habit is how long a streak has to be until the next place is created without a list. A list that is missing costs a round trip.
const habit = 8

func footprintOf(p *Place) footprint {
	return footprint{p.session.ID(), p.listedOn, p.name().Seq, p.node.Stat.Czxid}
}

// leads reports whether nothing but the release of the place has happened until the next one was created.
func (f footprint) leads(next footprint) bool {
	return f.czxid != 0 && next.czxid == f.czxid+2 && next.number == f.number+1 &&
		f.on != 0 && next.on == f.on && next.session == f.session
}

// released notes that a place was granted, and that the servers have removed it when they were asked.
func (t *Trail) released(p *Place) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = footprintOf(p)
}

// look returns the latest place that was released, and whether a list is likely to be of no use.
func (t *Trail) look() (latest footprint, habitual bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.latest, t.streak >= habit
}

// followed notes whether a place has followed an earlier one.
func (t *Trail) followed(yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !yes {
		t.streak = 0
	} else if t.streak < habit {
		t.streak++
	}
}

// create adds a place to the queue, and returns the names of the directory, or at least those that the place may have to wait for.
func (t *Trail) create(ctx context.Context, s *framework.Session, q Queue) (framework.Node, []string, error) {
	latest, habitual := t.look() // ahead of the create: what is released later may have been there when it was applied
	var node framework.Node
	var names []string
	var err error
	if habitual {
		node, err = q.createAlone(ctx, s)
	} else {
		node, names, err = q.createListed(ctx, s)
	}
	if node.Path == "" {
		return node, nil, err
	}
	alone := latest.leads(footprintOf(&Place{session: s, node: node, listedOn: recipekit.Connection(s)}))
	t.followed(alone)
	switch {
	case alone:
		return node, []string{base(node.Path)}, nil
	case habitual:
		names, _, err = s.Children(ctx, q.Dir)
	}
	return node, names, err
}
