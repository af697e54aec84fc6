package leader

import (
	"context"
	"errors"
	"log/slog"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/fanout"
)

// Observation delivers the leader and each change of leader. It ends with the ctx of Observe, with the client, or when
// the servers refuse the first read. Later refusals are retried with growing pauses; until then they are in
// [framework.Client.Health] and in the log.
type Observation struct {
	// C delivers the current leader and every later one that was observed, in order and without gaps. The zero
	// [Participant] means that there is no leader. C is closed immediately when ctx ends. If the Observation ends for
	// another reason, C is closed after everything has been received.
	C <-chan Participant

	err error         // set before C is closed
	end chan struct{} // closed when err is set
}

// Err returns why C was closed: the cause of ctx, framework.ErrClosed, or what the servers refused
// (framework.ErrNoAuth, ...). It returns nil while C is open.
func (o *Observation) Err() error {
	select {
	case <-o.end:
		return o.err
	default:
		return nil
	}
}

// ObservePolicy returns how Observe responds to SUSPENDED and LOST: it continues.
func (e *Election) ObservePolicy() framework.Policy {
	return framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}
}

// Observe delivers the current leader, or the zero Participant if there is none, and then each change. The package
// documentation says which terms can go unobserved.
//
// It runs until ctx ends. Values that are not received are kept in memory until then, so end ctx when you stop
// receiving.
func (e *Election) Observe(ctx context.Context) *Observation {
	hub := &fanout.Hub[Participant]{}
	reading, drop := context.WithCancel(context.WithoutCancel(ctx))
	o := &Observation{C: hub.Subscribe(reading), end: make(chan struct{})}
	w := &observer{Election: e, emit: hub.Publish}
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
	emit  func(Participant)
	given int64 // the token of the leader delivered last; 0 for none
	any   bool  // whether anything has been delivered
}

func (o *observer) observe(ctx context.Context) error {
	if err := framework.ValidatePath(o.path); err != nil {
		return o.wrap(err)
	}
	return o.cli.Run(ctx, framework.Recipe{Name: "leader observer", Path: o.path, Policy: o.ObservePolicy(), Run: o.follow})
}

// follow observes in one session. It first waits until the server has seen all that the previous session has seen.
func (o *observer) follow(ctx context.Context, s *framework.Session) error {
	if err := s.Sync(ctx, o.path); err != nil {
		return err
	}
	for {
		leader, watch, err := o.read(ctx, s)
		if err != nil {
			return err
		}
		o.deliver(leader)
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

// deliver delivers a leader unless it was the last one delivered.
func (o *observer) deliver(p Participant) {
	if !o.any || o.given != p.Token {
		o.any, o.given = true, p.Token
		o.emit(p)
	}
}

// read returns the leader, and a watch that fires when that may have changed.
func (o *observer) read(ctx context.Context, s *framework.Session) (Participant, *framework.Watch, error) {
	for {
		leader, watch, err := o.tryRead(ctx, s)
		if !errors.Is(err, framework.ErrNoNode) {
			return leader, watch, err
		}
		// A node was deleted between two requests.
	}
}

// tryRead is one attempt of read. It returns framework.ErrNoNode if a node that it listed was deleted before it was
// read.
func (o *observer) tryRead(ctx context.Context, s *framework.Session) (Participant, *framework.Watch, error) {
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

// awaitCandidate watches the directory while it has no candidates.
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

// awaitDirectory watches for the creation of the directory.
func (o *observer) awaitDirectory(ctx context.Context, s *framework.Session) (Participant, *framework.Watch, error) {
	_, there, watch, err := s.WatchExists(ctx, o.path)
	if err == nil && there {
		watch.Stop()
		err = framework.ErrNoNode // it has been created meanwhile: list it
	}
	return Participant{}, watch, err
}
