package contend

import (
	"context"

	"github.com/docent-zk/docent/internal/recipekit"
)

// The heir of a claim is the place of the same session with the next number. While the claim's node exists, its
// directory remains the same, so no other place can be between the two. The heir waits in the process, without a list
// and without watches. The release is followed by a read of the heir's node on the same ordered connection. If that
// exists when the claim's node has just been deleted, the heir's turn has come.
//
// A claim no longer has an heir after watchDelay, or if it is not certain that its node was deleted by the release. The
// waiting place then asks the servers, as any other place does.

// follows reports whether no other place can be between this place and the holder's.
func (p *Place) follows(holder *Place) bool {
	return holder != nil && p.name().Seq == holder.name().Seq+1
}

// heir returns the place that follows p, which is about to be removed; nil if there is none.
func (l *line) heir(p *Place) *Place {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder != p || len(l.places) == 0 || !l.places[0].follows(p) {
		return nil
	}
	return l.places[0]
}

// yield records that p no longer has an heir. Unless the heir's turn has been announced, it continues as any other
// place.
func (l *line) yield(p *Place, told bool) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holder != p {
		return
	}
	l.holder = nil
	if !told {
		l.wake()
	}
	l.tidy()
}

// tidy removes the line if it has no users. The mutex is held.
func (l *line) tidy() {
	if l.users == 0 && l.holder == nil {
		delete(l.m, l.key)
	}
}

// bequeath removes the place of a claim and notifies its heir.
func (p *Place) bequeath(ctx context.Context) error {
	next := p.line.heir(p)
	if next == nil {
		p.line.yield(p, false)
		return p.remove(ctx)
	}
	err := recipekit.DeleteAndLook(ctx, p.session, p.node.Path, next.node.Path, func(czxid int64) {
		turn := czxid == next.node.Stat.Czxid
		if turn {
			next.notifyTurn()
		}
		p.line.yield(p, turn)
	})
	if err != nil {
		p.line.yield(p, false)
	}
	return err
}

// notifyTurn announces the turn of an heir.
func (p *Place) notifyTurn() {
	select {
	case p.turn <- struct{}{}:
	default: // by an earlier attempt
	}
}
