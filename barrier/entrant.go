package barrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/docent-zk/docent/framework"
)

// entrant is one call of Enter in its session.
type entrant struct {
	*Double
	session *framework.Session
	node    framework.Node // its node; zero before it has joined
	ready   *sign
	own     *framework.Watch // watch on its own node; nil if there is none
	round   int64            // czxid of the ready node of its round; 0 if it is not known
}

func (d *Double) enter(ctx context.Context, s *framework.Session) (in *Entered, err error) {
	e := &entrant{Double: d, session: s}
	defer func() {
		if in == nil && e.node.Path != "" {
			withdraw(s, e.node.Path)
		}
	}()
	defer e.stop(&in)
	if err := e.wait(ctx); err != nil {
		return nil, err
	}
	return e.entered(ctx), nil
}

// withdraw removes a member's node without waiting for it. An empty path is ignored.
func withdraw(s *framework.Session, path string) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Delete(now, path, framework.AnyVersion, framework.Guaranteed) // in the background
}

// stop ends the watches that are no longer needed. The Entered needs the one on the ready node.
func (e *entrant) stop(in **Entered) {
	if e.own != nil {
		e.own.Stop()
	}
	if *in == nil {
		e.ready.stop()
	}
}

// verdict is the result of reading the barrier's state.
type verdict int

const (
	waits  verdict = iota // the barrier is not complete
	again                 // the state must be read again
	inside                // the barrier is open to this member
)

// wait joins, and returns nil when the barrier is open.
//
// The watch on the ready node is set before the member's node is created. So it delivers the opening of the barrier
// even if other members have left and removed the ready node immediately. An event that arrives before the reply to the
// create was not for this member: then the ready node is read again.
func (e *entrant) wait(ctx context.Context) (err error) {
	if e.ready, err = e.readSign(ctx, e.session); err != nil {
		return err
	}
	if err := e.join(ctx); err != nil {
		return err
	}
	if _, err := e.refresh(ctx); err != nil {
		return err
	}
	for {
		v, err := e.judge(ctx)
		if err == nil && v == waits {
			v, err = e.await(ctx)
		}
		opened := false
		if err == nil {
			opened, err = e.refresh(ctx)
		}
		if err != nil {
			return err
		}
		if v == inside || opened {
			e.learn()
			return nil
		}
	}
}

// refresh reads the ready node again if it has changed since it was seen. It reports whether it was created since.
func (e *entrant) refresh(ctx context.Context) (created bool, err error) {
	if e.ready.current() {
		return false, nil
	}
	created = e.ready.event.Type == framework.EventCreated
	next, err := e.readSign(ctx, e.session)
	if err == nil {
		e.ready = next
	}
	return created, err
}

// learn finds out which round an event has let the member into. This is not known if the ready node is gone already.
func (e *entrant) learn() {
	if e.round == 0 && e.ready.czxid > e.node.Stat.Czxid {
		e.round = e.ready.czxid
	}
}

// join creates the member's node. The GUID in its name finds it if the reply is lost, and distinguishes it from nodes
// that the same member may have left behind.
func (e *entrant) join(ctx context.Context) (err error) {
	e.node, err = e.session.Create(ctx, e.at(e.id), nil, framework.Ephemeral, framework.Protected, framework.Parents)
	if errors.Is(err, framework.ErrNoNode) { // deleted before the create returned it
		return fmt.Errorf("%w: %w", ErrDeleted, err)
	}
	return err
}

// judge decides whether the barrier is open to this member, and opens it if all members are there.
func (e *entrant) judge(ctx context.Context) (verdict, error) {
	round := e.ready.czxid
	if round > e.node.Stat.Czxid {
		e.round = round
		return inside, nil
	}
	names, _, err := e.session.Children(ctx, e.path)
	if err != nil {
		return waits, e.orDeleted(err)
	}
	if _, own := framework.Split(e.node.Path); !slices.Contains(names, own) {
		return waits, e.deleted()
	}
	if round != 0 {
		member, err := e.member(ctx, names, round)
		if err != nil {
			return waits, err
		}
		if member != "" {
			return e.joinLate(ctx, round, member)
		}
	}
	if n := e.count(names); n < e.members {
		e.session.Report("entering", nil, slog.String("node", e.node.Path), slog.Int("there", n), slog.Int("members", e.members))
		return waits, nil
	}
	return e.open(ctx)
}

func (e *entrant) deleted() error { return fmt.Errorf("%s: %w", e.node.Path, ErrDeleted) }

// orDeleted treats a missing directory as ErrDeleted, because it contained the member's node.
func (e *entrant) orDeleted(err error) error {
	if errors.Is(err, framework.ErrNoNode) {
		return e.deleted()
	}
	return err
}

// count returns the number of members, by their ids.
func (e *entrant) count(names []string) int {
	ids := make(map[string]struct{}, len(names))
	for _, name := range names {
		if id, ok := idOf(name); ok {
			ids[id] = struct{}{}
		}
	}
	return len(ids)
}

// await waits until the ready node changes: its creation opens the barrier to this member, whose node exists. The
// member's node is watched as well, because without it the others do not count this member.
func (e *entrant) await(ctx context.Context) (verdict, error) {
	if err := e.watchOwn(ctx); err != nil {
		return waits, err
	}
	select {
	case ev := <-e.ready.changed():
		e.ready.note(ev)
		return again, ev.Err
	case ev := <-e.own.C: // deleted, or the session has ended: judge finds out
		e.own = nil
		return again, ev.Err
	case <-ctx.Done():
		return waits, context.Cause(ctx)
	}
}

// watchOwn watches the member's node.
func (e *entrant) watchOwn(ctx context.Context) error {
	if e.own != nil {
		return nil
	}
	_, there, w, err := e.session.WatchExists(ctx, e.node.Path)
	if err != nil {
		return err
	}
	e.own = w
	if !there {
		return e.deleted()
	}
	return nil
}

// open creates the ready node of a round. It returns [again] if another member was faster, or has removed it already.
func (e *entrant) open(ctx context.Context) (verdict, error) {
	if e.ready.czxid != 0 {
		return again, e.replace(ctx)
	}
	node, err := e.session.Create(ctx, e.at(readyName), nil, framework.Persistent, framework.Idempotent)
	switch {
	case err == nil:
		e.round = node.Stat.Czxid
		return inside, nil
	case errors.Is(err, framework.ErrNodeExists), errors.Is(err, framework.ErrNoNode):
		return again, nil
	}
	return waits, err
}

// replace replaces the ready node that a round has left behind, in one transaction, so that the old one is never
// mistaken for the new one. It requires the version that was seen, so that no late member can have joined the old round
// meanwhile. The new node gets another version, so that another member that saw the old one does not replace it.
func (e *entrant) replace(ctx context.Context) error {
	at := e.at(readyName)
	operations := []framework.Op{
		framework.DeleteOp(at, e.ready.version),
		framework.CreateOp(at, nil, framework.Persistent),
	}
	if e.ready.version == 0 {
		operations = append(operations, framework.SetOp(at, nil, framework.AnyVersion))
	}
	_, err := e.session.Multi(ctx, operations, framework.Idempotent)
	if errors.Is(err, framework.ErrNoNode) || errors.Is(err, framework.ErrBadVersion) {
		return nil
	}
	return err
}

// entered binds the member to its session.
func (e *entrant) entered(ctx context.Context) *Entered {
	in := &Entered{double: e.Double, session: e.session, node: e.node, round: e.round, ready: e.ready, left: make(chan struct{})}
	in.ctx, in.cancel = e.session.Context(context.WithoutCancel(ctx), e.Policy())
	in.listed = e.session.Track("double barrier", e.path, e.Policy(), "inside", slog.String("node", e.node.Path))
	context.AfterFunc(in.ctx, func() {
		if cause := context.Cause(in.ctx); !errors.Is(cause, ErrLeft) {
			in.listed.Report("ended, not left", cause)
		}
	})
	return in
}
