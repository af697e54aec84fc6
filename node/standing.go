package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/framework"
)

// Standing says whether a Keeper's node exists, as far as its client knows.
type Standing struct {
	// Stands means that the node was created or found, and that nothing indicates its loss. It stays true while the
	// connection is suspended.
	Stands bool
	// Since is when Stands last changed, with a monotonic reading.
	Since time.Time
	// Path is the node's path, or its last one while it does not exist. It is empty before the first creation.
	Path string
	// Session is the session in which the node was created or found.
	Session int64
	// Err is why the node does not exist: ErrTaken, ErrDeleted, framework.ErrSessionLost, what the servers refuse, or
	// why the Keeper has ended. It is nil while the node exists, and before the first attempt.
	Err error
}

// board publishes the Standing.
type board struct {
	Standing
	changed chan struct{} // closed and replaced on every change
}

func newBoard() board {
	return board{Standing: Standing{Since: time.Now()}, changed: make(chan struct{})}
}

// show replaces the Standing.
func (b *board) show(s Standing) {
	b.Standing = s
	close(b.changed)
	b.changed = make(chan struct{})
}

// stand records that the node exists.
func (b *board) stand(path string, session int64) {
	since := b.Since
	switch {
	case !b.Stands:
		since = time.Now()
	case b.Session == session:
		return
	}
	b.show(Standing{Stands: true, Since: since, Path: path, Session: session})
}

// fall records why the node does not exist.
func (b *board) fall(err error) {
	since := b.Since
	if b.Stands {
		since = time.Now()
	}
	b.show(Standing{Since: since, Path: b.Path, Session: b.Session, Err: err})
}

// stood records that the node exists. It reports whether it did not before, or in another session.
func (k *Keeper) stood(path string, session int64) (news bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	news = !k.board.Stands || k.board.Session != session
	k.board.stand(path, session)
	return news
}

func (k *Keeper) fell(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.board.fall(err)
}

// Standing returns whether the node exists, since when, and why not.
func (k *Keeper) Standing() Standing {
	s, _ := k.look()
	return s
}

// look returns the Standing, and a channel that is closed when it changes.
func (k *Keeper) look() (Standing, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.board.Standing, k.board.changed
}

// Path returns the node's path in the client's namespace, or its last one while it does not exist.
func (k *Keeper) Path() string { return k.Standing().Path }

// WaitStanding waits until the node exists. It returns why the Keeper has ended, or the cause of ctx, with [ErrTaken],
// framework.ErrNotConnected or a refusal of the servers if that is why the node does not exist.
func (k *Keeper) WaitStanding(ctx context.Context) error {
	for {
		s, changed := k.look()
		if s.Stands {
			return nil
		}
		select {
		case <-changed:
		case <-k.done:
			return k.Err()
		case <-ctx.Done():
			return k.notStanding(s.Err, framework.ContextError(ctx))
		}
	}
}

// notStanding returns the error of a wait for the node that was not successful.
func (k *Keeper) notStanding(why, cause error) error {
	err := fmt.Errorf("node %s does not exist: %w", k.spec.path, cause)
	if !k.cli.State().State.Connected() {
		err = fmt.Errorf("%w: %w", err, framework.ErrNotConnected)
	}
	if why != nil && !errors.Is(err, why) {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return err
}
