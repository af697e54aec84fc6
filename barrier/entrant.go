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
}

func (d *Double) enter(ctx context.Context, s *framework.Session) (in *Entered, err error) {
	e := &entrant{Double: d, session: s}
	defer func() {
		if in == nil && e.node.Path != "" {
			withdraw(s, e.node.Path)
		}
	}()
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

// wait joins and returns nil when the barrier is open.
//
// The watch is set ahead of joining. So whatever opens the barrier after this member has joined is seen as an event,
// even if others, who are quick, have left and removed the sign again. What has happened before the answer to the create
// came, on the session's ordered connection, was for others: then the sign is looked at once more.
func (e *entrant) wait(ctx context.Context) error {
	ready, err := e.look(ctx)
	if err != nil {
		return err
	}
	defer func() { ready.watch.Stop() }()
	if err := e.join(ctx); err != nil {
		return err
	}
	again := ready.fired()
	for {
		if again {
			next, err := e.look(ctx)
			if err != nil {
				return err
			}
			ready = next
		}
		open, err := e.complete(ctx, ready)
		if !open && err == nil {
			open, err = ready.wait(ctx)
		}
		if open || err != nil {
			return err
		}
		again = true
	}
}

// join creates the member's node. The GUID in its name finds it again when the answer is lost, and tells it from nodes that
// the same member may have left behind.
func (e *entrant) join(ctx context.Context) (err error) {
	e.node, err = e.session.Create(ctx, e.at(e.id), nil, framework.Ephemeral, framework.Protected, framework.Parents)
	return err
}

// sign is the node "ready" as it was seen last, under a watch.
type sign struct {
	czxid int64 // 0 if it was not there
	watch *framework.Watch
}

func (e *entrant) look(ctx context.Context) (sign, error) {
	stat, there, watch, err := e.session.WatchExists(ctx, e.at(readyName))
	if err != nil {
		return sign{}, err
	}
	if !there {
		stat.Czxid = 0
	}
	return sign{czxid: stat.Czxid, watch: watch}, nil
}

// fired reports whether the sign has changed since it was looked at.
func (s sign) fired() bool {
	select {
	case <-s.watch.C:
		return true
	default:
		return false
	}
}

// wait waits until the sign changes, and reports whether that has opened the barrier.
func (s sign) wait(ctx context.Context) (open bool, err error) {
	select {
	case ev := <-s.watch.C:
		return ev.Type == framework.EventCreated, ev.Err
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// complete reports whether the barrier is open to this member, and opens it if all are there.
func (e *entrant) complete(ctx context.Context, ready sign) (bool, error) {
	if ready.czxid > e.node.Stat.Czxid {
		return true, nil
	}
	names, _, err := e.session.Children(ctx, e.path)
	if err != nil {
		return false, e.orDeleted(err)
	}
	if _, own := framework.Split(e.node.Path); !slices.Contains(names, own) {
		return false, fmt.Errorf("%s: %w", e.node.Path, ErrDeleted)
	}
	if ready.czxid != 0 {
		if on, err := e.roundIsOn(ctx, names, ready); on || err != nil {
			return on, err
		}
	}
	if n := e.count(names); n < e.members {
		e.session.Report("entering", nil, slog.String("node", e.node.Path), slog.Int("there", n), slog.Int("members", e.members))
		return false, nil
	}
	return e.open(ctx, ready.czxid != 0)
}

// orDeleted reads the absence of the directory: the own node was in it.
func (e *entrant) orDeleted(err error) error {
	if errors.Is(err, framework.ErrNoNode) {
		return fmt.Errorf("%s: %w", e.node.Path, ErrDeleted)
	}
	return err
}

// count is the number of members, by their ids.
func (e *entrant) count(names []string) int {
	ids := make(map[string]struct{}, len(names))
	for _, name := range names {
		if name != readyName {
			ids[idOf(name)] = struct{}{}
		}
	}
	return len(ids)
}

// roundIsOn reports whether a member that was there when the barrier was opened still is. Nodes that this member has left
// behind itself do not count.
func (e *entrant) roundIsOn(ctx context.Context, names []string, ready sign) (bool, error) {
	for _, name := range names {
		if name == readyName || idOf(name) == e.id {
			continue
		}
		stat, there, err := e.session.Exists(ctx, e.at(name))
		if err != nil {
			return false, err
		}
		if there && stat.Czxid < ready.czxid {
			return true, nil
		}
	}
	return false, nil
}

// open puts up the sign. One that a round has left behind is replaced in the same transaction, so that there is no moment at
// which it could be taken for the new one, or the new one be removed in its place. It reports false if that has gone
// meanwhile: then the watch fires, and it is judged anew.
func (e *entrant) open(ctx context.Context, leftover bool) (bool, error) {
	at := e.at(readyName)
	if leftover {
		_, err := e.session.Multi(ctx, []framework.Op{
			framework.DeleteOp(at, framework.AnyVersion),
			framework.CreateOp(at, nil, framework.Persistent),
		}, framework.Idempotent)
		if errors.Is(err, framework.ErrNoNode) {
			return false, nil
		}
		return err == nil, err
	}
	_, err := e.session.Create(ctx, at, nil, framework.Persistent, framework.Idempotent)
	if err == nil || errors.Is(err, framework.ErrNodeExists) {
		return true, nil
	}
	return false, e.orDeleted(err)
}

// entered binds the member to its session.
func (e *entrant) entered(ctx context.Context) *Entered {
	in := &Entered{double: e.Double, session: e.session, node: e.node, left: make(chan struct{})}
	in.ctx, in.cancel = e.session.Context(context.WithoutCancel(ctx), e.Policy())
	in.listed = e.session.Track("double barrier", e.path, e.Policy(), "inside", slog.String("node", e.node.Path))
	context.AfterFunc(in.ctx, func() {
		if cause := context.Cause(in.ctx); !errors.Is(cause, ErrLeft) {
			in.listed.Report("ended, not left", cause)
		}
	})
	return in
}
