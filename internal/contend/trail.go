package contend

import (
	"context"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Trail remembers the last released place of a client in a queue. It can show, without a list, that no place was
// created in between.
//
// Zxids are consecutive. If a place was created two transactions after an earlier one that was released, the release is
// the only transaction in between. No node was ahead of the earlier place, which was granted, so none is ahead of the
// later one.
//
// This holds on one connection. Another connection may lead to servers that were restored from a backup, where zxids
// repeat.
type Trail struct {
	mu     sync.Mutex
	latest footprint
	streak int // number of successive places that followed an earlier one like this
}

// footprint is a released place.
type footprint struct {
	session int64
	on      int // the connection on which it was created; 0 if not known
	number  int32
	czxid   int64 // 0 for none
}

// habit is the streak after which the next place is created without a list. A list that turns out to be needed costs a
// round trip.
const habit = 8

func footprintOf(p *Place) footprint {
	return footprint{p.session.ID(), p.listedOn, p.name().Seq, p.node.Stat.Czxid}
}

// leads reports whether only the release of the place has happened until the next one was created.
func (f footprint) leads(next footprint) bool {
	return f.czxid != 0 && next.czxid == f.czxid+2 && next.number == f.number+1 &&
		f.on != 0 && next.on == f.on && next.session == f.session
}

// released records that a granted place has been removed by the servers.
func (t *Trail) released(p *Place) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = footprintOf(p)
}

// look returns the last released place, and whether a list is probably not needed.
func (t *Trail) look() (latest footprint, habitual bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.latest, t.streak >= habit
}

// followed records whether a place has followed an earlier one.
func (t *Trail) followed(yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !yes {
		t.streak = 0
	} else if t.streak < habit {
		t.streak++
	}
}

// create adds a place to the queue. It returns the names in the directory, or at least those that the place may have to
// wait for.
func (t *Trail) create(ctx context.Context, s *framework.Session, q Queue) (framework.Node, []string, error) {
	latest, habitual := t.look() // before the create: a place that is released later may have existed when it was applied
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
