package barrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/docent-zk/docent/framework"
)

// entrant is one call of Enter, in the one session that it may use.
type entrant struct {
	*Double
	session *framework.Session
	node    framework.Node // its own; zero before it has joined
	ready   *sign
	own     *framework.Watch // on its own node; nil while there is none
	round   int64            // czxid of the sign of the round that it is in; 0 while it is not known
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

// withdraw removes a member's node without waiting for it. What has no node any more needs nothing.
func withdraw(s *framework.Session, path string) {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.Delete(now, path, framework.AnyVersion, framework.Guaranteed) // in the background
}

// stop ends the watches that are not needed any more. The Entered needs the one on the sign.
func (e *entrant) stop(in **Entered) {
	if e.own != nil {
		e.own.Stop()
	}
	if *in == nil {
		e.ready.stop()
	}
}

// verdict is what a look at the barrier comes to.
type verdict int

const (
	waits  verdict = iota // the barrier is not complete
	again                 // the look has to be repeated
	inside                // the barrier is open to this member
)

// wait joins and returns nil when the barrier is open.
//
// The watch on the sign is set before the member's node is created. So it delivers whatever opens the barrier after that, even
// if others, who are quick, have left and removed the sign again. An event that arrives before the answer to the create, on the
// session's ordered connection, was for others: then the sign is read once more.
func (e *entrant) wait(ctx context.Context) (err error) {
	if e.ready, err = e.look(ctx, e.session); err != nil {
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

// refresh reads the sign again if it has changed since it was seen, and reports whether it was created then.
func (e *entrant) refresh(ctx context.Context) (created bool, err error) {
	if e.ready.current() {
		return false, nil
	}
	created = e.ready.event.Type == framework.EventCreated
	next, err := e.look(ctx, e.session)
	if err == nil {
		e.ready = next
	}
	return created, err
}

// learn finds out which round an event has let the member into. That is not known if the sign is gone already.
func (e *entrant) learn() {
	if e.round == 0 && e.ready.czxid > e.node.Stat.Czxid {
		e.round = e.ready.czxid
	}
}

// join creates the member's node. The GUID in its name finds it again when the answer is lost, and tells it from nodes that
// the same member may have left behind.
func (e *entrant) join(ctx context.Context) (err error) {
	e.node, err = e.session.Create(ctx, e.at(e.id), nil, framework.Ephemeral, framework.Protected, framework.Parents)
	if errors.Is(err, framework.ErrNoNode) { // deleted before the create could return it
		return fmt.Errorf("%w: %w", ErrDeleted, err)
	}
	return err
}

// judge decides whether the barrier is open to this member, and opens it if all are there.
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

// orDeleted reads the absence of the directory: the own node was in it.
func (e *entrant) orDeleted(err error) error {
	if errors.Is(err, framework.ErrNoNode) {
		return e.deleted()
	}
	return err
}

// count is the number of members, by their ids.
func (e *entrant) count(names []string) int {
	ids := make(map[string]struct{}, len(names))
	for _, name := range names {
		if id, ok := idOf(name); ok {
			ids[id] = struct{}{}
		}
	}
	return len(ids)
}

// await waits until the sign changes: its creation opens the barrier to this member, whose node is there. The own node is
// watched as well: without it the others do not count on this member.
func (e *entrant) await(ctx context.Context) (verdict, error) {
	if err := e.watchOwn(ctx); err != nil {
		return waits, err
	}
	select {
	case ev := <-e.ready.changed():
		e.ready.note(ev)
		return again, ev.Err
	case ev := <-e.own.C: // whoever deleted it, or the end of the session: judge finds out
		e.own = nil
		return again, ev.Err
	case <-ctx.Done():
		return waits, context.Cause(ctx)
	}
}

// watchOwn watches the own node.
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

// open creates the sign of a round. It returns [again] if somebody else was faster, or has removed the sign already.
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

// replace puts a new sign in the place of one that a round has left behind, in one transaction, so that there is no moment at
// which it could be taken for the new one. It asks for the version that was seen, so that nobody can have become a late member of
// the old round meanwhile; and the new one has another version, so that it is not replaced by somebody else who saw the old one.
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
