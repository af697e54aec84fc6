package contend

import (
	"context"

	"github.com/docent-zk/docent/internal/recipekit"
)

// The heir of a claim is the place of the same session whose number is the next one. While the claim's node exists, its directory is the same one,
// so nobody can be between the two. The heir waits in the process, without a list and without watches. The release is followed by a look at the
// heir's node, on the same ordered connection. If it exists when the claim's node has just been deleted, it is the heir's turn.
//
// A claim has no heir any more once it lasts, or if it cannot be told that its node was deleted by the release and by nobody else. The place that
// waits then asks the servers, like any other.

// follows reports whether nobody can be between a place and the one that holds.
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

// yield notes that p has no heir any more. Unless the heir was told of its turn, it goes on like any other place.
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

// tidy removes the line if nobody uses it. The mutex is held.
func (l *line) tidy() {
	if l.users == 0 && l.holder == nil {
		delete(l.m, l.key)
	}
}

// bequeath removes the place of a claim, and tells its heir.
func (p *Place) bequeath(ctx context.Context) error {
	next := p.line.heir(p)
	if next == nil {
		p.line.yield(p, false)
		return p.remove(ctx)
	}
	err := recipekit.DeleteAndLook(ctx, p.session, p.node.Path, next.node.Path, func(czxid int64) {
		turn := czxid == next.node.Stat.Czxid
		if turn {
			next.tell()
		}
		p.line.yield(p, turn)
	})
	if err != nil {
		p.line.yield(p, false)
	}
	return err
}

// tell says that it is the turn of an heir.
func (p *Place) tell() {
	select {
	case p.turn <- struct{}{}:
	default: // by an earlier try
	}
}
