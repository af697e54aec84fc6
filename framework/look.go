package framework

import (
	"context"
	"sync/atomic"

	"github.com/docent-zk/docent/internal/wire"
)

// look is a read of a node that is sent right behind a delete.
type look struct {
	at   string
	seen func(czxid int64) // called once for each attempt that was sent; 0 means that nothing is known
}

// deleteAndLook implements recipekit.DeleteAndLook.
func (s *Session) deleteAndLook(ctx context.Context, path, other string, seen func(czxid int64)) error {
	w, err := s.newWrite("delete", path, AnyVersion, []WriteOption{Guaranteed})
	if err != nil {
		return err
	}
	at, err := s.space.resolve(other)
	if err != nil {
		return s.failUnsent("delete", other, err)
	}
	w.look = &look{at, seen}
	return s.delete(ctx, path, w)
}

// behind returns the read that follows a delete. Its result counts only if the delete was answered before it, without
// an error.
func (l *look) behind(ctx context.Context, a *asked[struct{}]) *wire.Call {
	var deleted atomic.Bool
	a.Over = func(err error) { deleted.Store(err == nil) }
	b := existsQuery(l.at, false).call(ctx)
	b.Over = func(err error) {
		var czxid int64
		if err == nil && deleted.Load() {
			czxid = b.answer.Czxid
		}
		l.seen(czxid)
	}
	return &b.Call
}
