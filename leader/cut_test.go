package leader_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/sim"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

// allCuts is for a thorough run; the rest of the package does not need its time.
var allCuts = flag.Bool("leader.allcuts", false, "cut at every frame, and not at a sample of them")

// race is an election in which three stand, one after the other, each hands over to the member after the next, and all
// stand until each has had its terms.
type race struct {
	*sim.World
	ledger *sim.Ledger

	mu        sync.Mutex
	transfers int // that have succeeded, by what ResignTo has returned
}

const (
	members = 3
	stint   = 30 * time.Millisecond // of a term
	terms   = 2                     // of each member
)

// heir is whom a member hands over to.
func heir(i int) string { return fmt.Sprint("member ", (i+2)%members) }

// begin notes a term. One that goes on after a transfer has failed is the same.
func (r *race) begin(ctx context.Context, name string, token int64, last *int64) {
	if token != *last {
		r.ledger.Begin(ctx, name, token)
	}
	*last = token
}

func (r *race) count(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		r.transfers++
	}
}

// inPerson campaigns, and resigns in favour of the heir. It runs in a bubble.
func (r *race) inPerson(ctx context.Context, e *leader.Election, i int) error {
	var last int64
	for range terms {
		term, err := e.Campaign(ctx)
		if err != nil {
			return err
		}
		r.begin(term.Context(), fmt.Sprint("member ", i), term.Token(), &last)
		select {
		case <-term.Context().Done():
		case <-time.After(stint):
		}
		r.count(term.ResignTo(ctx, heir(i)))
		if err := term.Resign(ctx); err != nil && !excused(err) {
			return err
		}
	}
	return nil
}

// excused reports whether a cut explains an error of Resign.
func excused(err error) bool {
	for _, end := range []error{framework.ErrSuspended, framework.ErrUntrusted, framework.ErrSessionLost} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// byFunction does the same with Run. It runs in a bubble.
func (r *race) byFunction(ctx context.Context, e *leader.Election, i int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	enough := errors.New("had enough terms")
	var last int64
	n := 0
	err := e.Run(ctx, func(work context.Context, term *leader.Term) error {
		if term.Token() != last {
			n++
		}
		r.begin(work, fmt.Sprint("member ", i), term.Token(), &last)
		select {
		case <-work.Done():
		case <-time.After(stint):
		}
		err := term.ResignTo(ctx, heir(i))
		r.count(err)
		if err != nil {
			_ = term.Resign(ctx)
		}
		time.Sleep(stint) // slow to stop
		if n == terms {
			cancel(enough)
		}
		return nil
	})
	if err == nil && n == terms || errors.Is(err, enough) { // lead may return before the news of cancel reaches its context
		return nil
	}
	return fmt.Errorf("after %d terms Run has returned %v", n, err)
}

// watch observes until ctx ends, and returns what is wrong with what it has seen.
func (r *race) watch(ctx context.Context, e *leader.Election) error {
	var last leader.Participant
	var newest int64
	seen := e.Observe(ctx)
	first := true
	for p := range seen.C {
		switch {
		case !first && p == last:
			return fmt.Errorf("%+v was seen twice", p)
		case !p.IsNobody() && p.Token <= newest:
			return fmt.Errorf("%+v was seen after a later one", p)
		}
		first, last, newest = false, p, max(newest, p.Token)
	}
	if ctx.Err() == nil || !last.IsNobody() {
		return fmt.Errorf("the observation ended with %+v: %w", last, seen.Err())
	}
	return nil
}

// play runs one race with one cut. It runs in a bubble.
func play(part func(*race, context.Context, *leader.Election, int) error, cut sim.Cutting, opts ...leader.Option) (*race, []zktest.Frame, error) {
	w, err := sim.NewWorld(zktest.Config{Seed: 1})
	if err != nil {
		return nil, nil, err
	}
	cutter := w.NewCutter(cut)
	r := &race{World: w, ledger: w.NewLedger(path)}
	ctx, cancel := context.WithTimeout(context.Background(), 20*timeout)
	defer cancel()
	failures := make([]error, members+1)
	elections := make([]*leader.Election, members+1)
	for i := range elections {
		cli, err := w.Client(fmt.Sprint("member ", i), func(c *framework.Config) { c.SessionTimeout = timeout })
		if err != nil {
			return nil, nil, err
		}
		elections[i] = leader.New(cli, path, append(opts, leader.WithID(fmt.Sprint("member ", i)))...)
	}
	var all, observer sync.WaitGroup
	observing, stop := context.WithCancel(ctx)
	observer.Go(func() { failures[members] = r.watch(observing, elections[members]) })
	for i, e := range elections[:members] {
		all.Go(func() { failures[i] = part(r, ctx, e, i) })
		time.Sleep(time.Millisecond)
	}
	all.Wait()
	time.Sleep(5 * timeout) // for what goes on in the background, and for dead sessions to end
	stop()
	observer.Wait()
	if left := w.Queue(path); len(left) > 0 {
		failures = append(failures, fmt.Errorf("nobody leads and these nodes are left: %v", left))
	}
	failures = append(failures, r.ledger.Judge(), w.Close())
	return r, cutter.Frames(), errors.Join(failures...)
}

// The connection is cut at every frame of a run full of transfers, in every way (at a sample of them without -leader.allcuts).
// Two never lead at once, tokens grow, everybody gets its terms, observers see an order, and at rest nothing is left.
func TestTransfersCutAtEveryFrame(t *testing.T) {
	for name, c := range map[string]struct {
		part   func(*race, context.Context, *leader.Election, int) error
		opts   []leader.Option
		outage time.Duration
		every  int // of how many cuts one is made by default; odd, so that all ways come up
	}{
		"campaign/cancel": {(*race).inPerson, nil, 0, 9},
		"campaign/hold":   {(*race).inPerson, []leader.Option{leader.Hold(0)}, 2 * timeout, 15},
		"campaign/shared": {(*race).inPerson, []leader.Option{leader.Shared(), leader.Hold(0)}, 0, 15},
		"run/cancel":      {(*race).byFunction, nil, timeout / 2, 9},
		"run/hold":        {(*race).byFunction, []leader.Option{leader.Hold(0)}, 0, 15},
	} {
		t.Run(name, func(t *testing.T) {
			frames := 0
			synctest.Test(t, func(t *testing.T) {
				r, seen, err := play(c.part, sim.Cutting{At: -1}, c.opts...)
				require.NoError(t, err)
				frames = len(seen)
				assert.Greater(t, r.transfers, 2, "or nothing is tested")
				t.Logf("%d transfers in %d frames", r.transfers, frames)
			})
			made, failed := 0, 0
			for i, cut := range sim.Cuttings(frames, c.outage) {
				if !*allCuts && i%c.every > 0 || testing.Short() && i%7 > 0 {
					continue
				}
				made++
				synctest.Test(t, func(t *testing.T) {
					_, seen, err := play(c.part, cut, c.opts...)
					if err != nil && failed < 3 {
						failed++
						at := "the frame did not come"
						if cut.At < len(seen) {
							at = seen[cut.At].String()
						}
						t.Errorf("%v (%v):\n%v", cut, at, err)
					}
				})
			}
			t.Logf("%d cuts", made)
		})
	}
}
