package node

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/retry"
)

// refusals spaces retries of refused requests, and of writes that other clients undo immediately.
var refusals = retry.Exponential(100*time.Millisecond, 30*time.Second)

const (
	// brief is how long a node must have existed for its loss not to cause a pause.
	brief = time.Second
	// calm is the time without pauses after which they start over.
	calm = time.Minute
)

// claim is a node of this Keeper that exists, or may exist.
type claim struct {
	path    string
	session int64 // in which the node was created or found
	czxid   int64 // 0 if not known
	version int32
	since   time.Time
}

// doubt is what is known about a create whose reply was lost. If the node exists, it is newer than before. If it is
// ephemeral, it belongs to the session in which the create was sent.
type doubt struct{ before, session int64 }

// upkeep is the state of a Keeper's goroutine. It outlives sessions.
type upkeep struct {
	*Keeper
	mine     *claim
	doubt    *doubt
	occupied bool   // a node at the path is not known to be the Keeper's
	raised   bool   // the node has existed
	written  uint64 // the number of its data; 0 for other data
	late     *late
	touched  time.Time // when the TTL was last renewed
	pauses   *retry.Attempts
	paused   time.Time // when the last pause ended
}

// late is data that was being written when its session ended. A server that hung may apply it afterwards, to the node
// of the next session if the versions are equal.
type late struct {
	data  []byte
	epoch uint64
}

// tenure is the upkeep in one session.
type tenure struct {
	*upkeep
	s   *framework.Session
	ctx context.Context // of the session
	op  context.Context // of everything except the removal: ends with ctx, and on Close
}

// stood and fell do the same as the Keeper's, and also report to the client's recipes.
func (t *tenure) stood(path string, session int64) {
	if t.Keeper.stood(path, session) && t.raised {
		recipekit.Rebuilt(t.s, t.spec.listed, path)
	}
	t.s.Report("standing", nil)
}

func (t *tenure) fell(err error) {
	t.Keeper.fell(err)
	t.s.Report("not standing", err)
}

// session keeps the node in one session. It returns nil when the node has been removed.
func (u *upkeep) session(ctx context.Context, s *framework.Session) error {
	op, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(u.life, func() { cancel(ErrKeeperClosed) })()
	if u.late != nil && s.Epoch() > u.late.epoch+1 {
		u.late = nil
	}
	if u.doubt != nil {
		u.occupied = false // the first create will show
	}
	err := (&tenure{upkeep: u, s: s, ctx: ctx, op: op}).keep()
	if u.spec.ephemeral() && u.life.Err() == nil && u.raised {
		u.fell(err)
	}
	return err
}

// keep runs rounds until the session or the Keeper has ended.
func (t *tenure) keep() error {
	for {
		if t.life.Err() != nil {
			return t.remove()
		}
		err := t.round()
		switch {
		case err == nil, errors.Is(err, framework.ErrOutcomeUnknown): // examine again, if that is possible
		case t.ctx.Err() != nil:
			return context.Cause(t.ctx)
		case errors.Is(err, framework.ErrSessionLost), errors.Is(err, framework.ErrClosed):
			return err
		case t.life.Err() != nil: // Close has ended it
		case !t.raised:
			_ = t.remove() // of what exists already; the refusal is the error that counts
			return err
		default:
			t.fell(err)
			t.pause()
		}
	}
}

// round does the next step towards the node's existence, or keeps it until something happens.
func (t *tenure) round() error {
	t.stakes(t.mine != nil || t.doubt != nil)
	switch {
	case t.mine != nil && (t.mine.session == t.s.ID() || !t.spec.ephemeral()):
		return t.stand()
	case t.spec.sequential():
		return t.raiseNumbered()
	case t.occupied:
		return t.inspect()
	}
	return t.create()
}

// stand watches the node and writes its data, until something happens to the node.
func (t *tenure) stand() error {
	w, err := t.verify()
	if w == nil {
		return err
	}
	defer w.Stop()
	for {
		if current, err := t.update(); !current {
			return err
		}
		t.stood(t.mine.path, t.s.ID())
		t.raised = true
		if again, err := t.idle(w); !again {
			return err
		}
	}
}

// idle waits until something happens. It returns true if there is something to write.
func (t *tenure) idle(w *framework.Watch) (again bool, _ error) {
	renewal, stop := t.renewal()
	defer stop()
	select {
	case ev := <-w.C:
		if ev.Type == framework.EventDeleted {
			t.gone(ErrDeleted)
		}
		return false, ev.Err
	case <-t.wake:
		return true, nil
	case <-renewal:
		return true, nil
	case <-t.op.Done():
		return false, context.Cause(t.op)
	}
}

// verify checks that the node exists and is the Keeper's, and watches it. Otherwise it returns no watch.
func (t *tenure) verify() (*framework.Watch, error) {
	node, w, err := t.watch()
	if errors.Is(err, framework.ErrNoNode) {
		t.gone(ErrDeleted)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !t.owns(node.Stat) {
		w.Stop()
		t.occupied = true
		t.gone(ErrTaken)
		return nil, nil
	}
	t.recognise(node)
	return w, nil
}

// watch reads the node and watches it. An ephemeral node has no children, so a child watch fires only when the node is
// deleted: writes cause no event and no further read. Data is read only if it is needed.
func (t *tenure) watch() (framework.Node, *framework.Watch, error) {
	if t.spec.ephemeral() && t.late == nil {
		_, stat, w, err := t.s.WatchChildren(t.op, t.mine.path)
		return framework.Node{Stat: stat}, w, err
	}
	return t.s.WatchData(t.op, t.mine.path)
}

// owns reports whether the node at the claim's path is the Keeper's. A persistent node without a number is the
// Keeper's, whichever client has created it.
func (t *tenure) owns(stat framework.Stat) bool {
	known := t.mine.czxid == 0 || t.mine.czxid == stat.Czxid
	switch {
	case t.spec.ephemeral():
		return known && stat.EphemeralOwner == t.s.ID()
	case t.spec.sequential():
		return known
	}
	return stat.EphemeralOwner == 0
}

// recognise records the state of the node that was found.
func (t *tenure) recognise(node framework.Node) {
	data, _ := t.wanted()
	another := t.mine.czxid != 0 && t.mine.czxid != node.Stat.Czxid
	overtaken := t.late != nil && bytes.Equal(node.Data, t.late.data) && node.Stat.Version != t.mine.version
	if (another || overtaken) && !bytes.Equal(node.Data, data) {
		t.written = 0
	}
	t.mine.session, t.mine.czxid, t.mine.version = t.s.ID(), node.Stat.Czxid, node.Stat.Version
}

// gone records that the node no longer exists. If it existed only briefly, a pause prevents two clients from undoing
// each other's work in a tight loop.
func (t *tenure) gone(why error) {
	stood := time.Since(t.mine.since)
	t.have(nil)
	t.fell(why)
	if stood < brief {
		t.pause()
	}
}

// pause waits, longer each time.
func (t *tenure) pause() {
	if t.pauses == nil || time.Since(t.paused) > calm {
		t.pauses = refusals.WithRand(func() float64 { return draw(t.cli) }).Start()
	}
	_ = t.pauses.Wait(t.op) // the next request fails if op has ended
	t.paused = time.Now()
}

// draw returns a number in [0,1) from the client's source of randomness.
func draw(cli *framework.Client) float64 {
	var b [8]byte
	_, _ = io.ReadFull(recipekit.Random(cli), b[:]) // if the source fails, there is less jitter
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
}

// update renews the TTL and writes new data, if needed. It returns false, and an error if there is one, if the node has
// to be examined again.
func (t *tenure) update() (current bool, _ error) {
	err := t.touch()
	if errors.Is(err, framework.ErrNoNode) { // the container is gone as well
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for {
		data, n := t.wanted()
		if n == t.written {
			return true, nil
		}
		if current, err := t.write(data, n); !current {
			return false, err
		}
	}
}

// write sets the data of the node's known version, so that another node at the path is not changed.
func (t *tenure) write(data []byte, n uint64) (current bool, _ error) {
	stat, err := t.s.Set(t.op, t.mine.path, data, t.mine.version)
	switch {
	case err == nil:
		t.mine.version, t.written, t.late = stat.Version, n, nil
		t.landed(n, data)
		return true, nil
	case errors.Is(err, framework.ErrNoNode), errors.Is(err, framework.ErrBadVersion):
		return false, nil
	case t.inDoubt(err):
		t.late = &late{data: data, epoch: t.s.Epoch()}
	case t.refuses(err) && t.rejected(n, err):
		t.written = n
		return true, nil
	}
	return false, err
}

// inDoubt reports whether a failed write may have been applied. It waits until no request of it is pending.
func (t *tenure) inDoubt(err error) bool {
	var op *framework.OpError
	if errors.As(err, &op) {
		select {
		case <-op.Settled():
		case <-t.ctx.Done():
		}
	}
	return errors.Is(err, framework.ErrOutcomeUnknown)
}

// refuses reports whether err is a refusal, by a server or before sending, and not the end of a context or session.
func (t *tenure) refuses(err error) bool {
	return t.op.Err() == nil && !errors.Is(err, framework.ErrSessionLost) && !errors.Is(err, framework.ErrClosed) &&
		!errors.Is(err, framework.ErrOutcomeUnknown)
}
