package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

const (
	frameTimeout = 10 * time.Second // of sessions
	frameRounds  = 2                // grants that everybody wants
	frameHold    = 30 * time.Millisecond
	framePath    = "/app/thing"
)

// The connection is cut at every frame of a run, in every way (a ninth of them without -sim.allcuts), and everybody still gets what it wants; two never hold at
// once; and at rest nothing is left.
func TestCutAtEveryFrame(t *testing.T) {
	for name, c := range map[string]struct {
		member  member
		outages []time.Duration
	}{
		"lock/cancel":   {lockMember(), []time.Duration{0, frameTimeout / 2}},
		"lock/hold":     {lockMember(lock.Hold(0)), []time.Duration{0, 2 * frameTimeout}},
		"leader/cancel": {leaderMember(), []time.Duration{0, frameTimeout / 2}},
		"leader/hold":   {leaderMember(leader.Hold(0)), []time.Duration{0, 2 * frameTimeout}},
	} {
		t.Run(name, func(t *testing.T) {
			var frames int
			bubble(t, func(t *testing.T) {
				seen, err := playFrames(c.member, Cutting{At: -1})
				require.NoError(t, err)
				frames = len(seen)
			})
			require.Greater(t, frames, 60)
			all := Cuttings(frames, c.outages...)
			if testing.Short() {
				all = Cuttings(frames, 0)
			}
			failed, played := 0, 0
			for i, cut := range all {
				if !*allCuts && i%9 != 0 { // the ways to cut and the outages number four, so that each comes in turn
					continue
				}
				played++
				bubble(t, func(t *testing.T) {
					seen, err := playFrames(c.member, cut)
					require.Greater(t, len(seen), cut.At)
					if err != nil && failed < 5 {
						failed++
						t.Errorf("%v (%v):\n%v", cut, seen[cut.At], err)
					}
				})
			}
			t.Logf("%d frames, %d cuts of %d", frames, played, len(all))
		})
	}
}

// member wants its share of a thing and notes what it gets.
type member func(ctx context.Context, cli *framework.Client, name string, ledger *Ledger) error

// playFrames lets three members share a thing while one cut happens. It runs in a bubble.
func playFrames(m member, cut Cutting) (frames []zktest.Frame, err error) {
	w, err := NewWorld(zktest.Config{Seed: 1})
	if err != nil {
		return nil, err
	}
	cutter := w.NewCutter(cut)
	ctx, cancel := context.WithTimeout(context.Background(), 20*frameTimeout)
	defer cancel()
	ledger := w.NewLedger(framePath)
	var members sync.WaitGroup
	failures := make(chan error, 3)
	for i := range cap(failures) {
		name := fmt.Sprint("member ", i)
		cli, err := w.Client(name, func(c *framework.Config) { c.SessionTimeout = frameTimeout })
		if err != nil {
			return nil, err
		}
		members.Go(func() {
			if err := m(ctx, cli, name, ledger); err != nil {
				failures <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	members.Wait()
	frames = cutter.Frames()
	close(failures)
	for failure := range failures {
		err = errors.Join(err, failure)
	}
	time.Sleep(2 * frameTimeout) // for what goes on in the background, and for dead sessions to end
	if left := w.Queue(framePath); len(left) > 0 {
		err = errors.Join(err, fmt.Errorf("nobody holds and these nodes are left: %v", left))
	}
	return frames, errors.Join(err, ledger.Judge(), w.Close())
}

// lockMember locks and unlocks until it has had its rounds.
func lockMember(opts ...lock.Option) member {
	return func(ctx context.Context, cli *framework.Client, name string, ledger *Ledger) error {
		m := lock.New(cli, framePath, opts...)
		for range frameRounds {
			held, err := m.Lock(ctx)
			if err != nil {
				return err
			}
			ledger.Begin(held.Context(), name, held.Token())
			select {
			case <-held.Context().Done():
			case <-time.After(frameHold):
			}
			if err := held.Unlock(ctx); err != nil && !errors.Is(err, framework.ErrSuspended) &&
				!errors.Is(err, framework.ErrUntrusted) && !errors.Is(err, framework.ErrSessionLost) {
				return err
			}
		}
		return nil
	}
}

// leaderMember leads until it has had its rounds.
func leaderMember(opts ...leader.Option) member {
	return func(ctx context.Context, cli *framework.Client, name string, ledger *Ledger) error {
		for range frameRounds {
			err := leader.Run(ctx, cli, framePath, func(ctx context.Context, term *leader.Term) error {
				ledger.Begin(ctx, name, term.Token())
				select {
				case <-ctx.Done():
				case <-time.After(frameHold):
				}
				return nil
			}, opts...)
			if err != nil {
				return err
			}
		}
		return nil
	}
}
