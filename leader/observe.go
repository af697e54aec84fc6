package leader

import (
	"context"
	"errors"
	"log/slog"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/fanout"
)

// Observation is who leads, change by change. It ends with the ctx that it was asked for with, with the client, or when the
// servers refuse to show the election for the first time. Later refusals are tried again, with growing pauses, and are in
// [framework.Client.Health] and the log meanwhile.
type Observation struct {
	// C gives the present leader and every later one that was seen, in order, none left out; the zero [Participant] when
	// nobody leads. It is closed at once when ctx ends, and otherwise, at the end, when everything has been read.
	C <-chan Participant

	err error         // set before C is closed
	end chan struct{} // closed when err is set
}

// Err is why C was closed: the cause of ctx, framework.ErrClosed, or what the servers refused (framework.ErrNoAuth, ...). It is nil before.
func (o *Observation) Err() error {
	select {
	case <-o.end:
		return o.err
	default:
		return nil
	}
}

// ObservePolicy is how Observe answers SUSPENDED and LOST: it goes on.
func (e *Election) ObservePolicy() framework.Policy {
	return framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}
}

// Observe follows who leads. The present leader comes first, or nobody. See the package documentation for what is not seen.
//
// It runs until ctx ends; there is nothing else to close. What was not read is kept in memory until then, so a
// reader that has lost interest must end ctx.
func (e *Election) Observe(ctx context.Context) *Observation {
	hub := &fanout.Hub[Participant]{}
	reading, drop := context.WithCancel(context.WithoutCancel(ctx))
	o := &Observation{C: hub.Subscribe(reading), end: make(chan struct{})}
	w := &observer{Election: e, tell: hub.Publish}
	go func() {
		o.err = w.observe(ctx)
		close(o.end)
		hub.Close()
		context.AfterFunc(ctx, drop)
	}()
	return o
}

// observer is one call of Observe.
type observer struct {
	*Election
	tell  func(Participant)
	given int64 // token of the leader that was told of last, 0 for nobody
	any   bool  // somebody, or nobody, was told of
}

func (o *observer) observe(ctx context.Context) error {
	if err := framework.ValidatePath(o.path); err != nil {
		return o.wrap(err)
	}
	return o.cli.Run(ctx, framework.Recipe{Name: "leader observer", Path: o.path, Policy: o.ObservePolicy(), Run: o.follow})
}

// follow observes in one session. The server must not be behind what was seen in the session before.
func (o *observer) follow(ctx context.Context, s *framework.Session) error {
	if err := s.Sync(ctx, o.path); err != nil {
		return err
	}
	for {
		leader, watch, err := o.look(ctx, s)
		if err != nil {
			return err
		}
		o.give(leader)
		s.RetryErrors()
		s.Report("observing", nil, slog.String("leader", leader.ID), slog.String("node", leader.Path))
		select {
		case ev := <-watch.C:
			if ev.Err != nil {
				return ev.Err
			}
		case <-ctx.Done():
			watch.Stop()
			return context.Cause(ctx)
		}
	}
}

// give tells of a leader, once.
func (o *observer) give(p Participant) {
	if !o.any || o.given != p.Token {
		o.any, o.given = true, p.Token
		o.tell(p)
	}
}

// look finds out who leads, and returns a watch that fires when that may have changed.
func (o *observer) look(ctx context.Context, s *framework.Session) (Participant, *framework.Watch, error) {
	for {
		leader, watch, err := o.glance(ctx, s)
		if !errors.Is(err, framework.ErrNoNode) {
			return leader, watch, err
		}
		// A node went between two requests.
	}
}

// glance is one try of look. It returns framework.ErrNoNode if what it has listed was gone when it was read.
func (o *observer) glance(ctx context.Context, s *framework.Session) (Participant, *framework.Watch, error) {
	names, _, err := s.Children(ctx, o.path)
	if errors.Is(err, framework.ErrNoNode) {
		return o.awaitDirectory(ctx, s)
	}
	if err != nil {
		return Participant{}, nil, err
	}
	if first := o.queue().First(names); first != "" {
		return o.watchLeader(ctx, s, first)
	}
	return o.awaitCandidate(ctx, s)
}

// watchLeader reads and watches the leader's node.
func (o *observer) watchLeader(ctx context.Context, s *framework.Session, path string) (Participant, *framework.Watch, error) {
	node, watch, err := s.WatchData(ctx, path)
	if err != nil {
		return Participant{}, nil, err
	}
	return participant(contend.ContenderOf(node), o.session()), watch, nil
}

// awaitCandidate watches the directory while nobody leads.
func (o *observer) awaitCandidate(ctx context.Context, s *framework.Session) (Participant, *framework.Watch, error) {
	names, _, watch, err := s.WatchChildren(ctx, o.path)
	if err != nil {
		return Participant{}, nil, err
	}
	first := o.queue().First(names)
	if first == "" {
		return Participant{}, watch, nil
	}
	watch.Stop()
	return o.watchLeader(ctx, s, first)
}

// awaitDirectory watches for a directory that is not there.
func (o *observer) awaitDirectory(ctx context.Context, s *framework.Session) (Participant, *framework.Watch, error) {
	_, there, watch, err := s.WatchExists(ctx, o.path)
	if err == nil && there {
		watch.Stop()
		err = framework.ErrNoNode // but only when it was listed
	}
	return Participant{}, watch, err
}
