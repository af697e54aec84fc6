package lock_test

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
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// allCuts is for a thorough run; the rest of the package does not need its time.
var allCuts = flag.Bool("lock.allcuts", false, "cut at every frame, and not at a sample of them")

// someCuts is how many places and ways to cut there are for each that is tried by default. It is odd, so that all ways come up.
const someCuts = 7

// tenancy is what somebody holds for a while.
type tenancy interface {
	Context() context.Context
	Unlock(ctx context.Context) error
}

// keep holds something for a moment, or until it is over, and unlocks it.
func keep(ctx context.Context, held tenancy) error {
	select {
	case <-held.Context().Done():
	case <-time.After(30 * time.Millisecond):
	}
	err := held.Unlock(ctx)
	for _, end := range []error{framework.ErrSuspended, framework.ErrUntrusted, framework.ErrSessionLost} {
		if errors.Is(err, end) {
			return nil
		}
	}
	return err
}

// The policies that cuts are played with, and for how long nobody can connect after a cut.
var (
	cutPolicies = map[string][]lock.Option{"cancel": nil, "hold": {lock.Hold(0)}}
	cutOutages  = map[string][]time.Duration{"cancel": {0, 2 * timeout}, "hold": {timeout / 2}}
)

// member takes its turns on a client and notes what it holds. It returns when it has had all of them.
type member func(ctx context.Context, cli *framework.Client, name string) error

// cuts plays a run of members with one cut of a connection, at every frame and in every way (at a sample of them without
// -lock.allcuts), and wants everybody to get what it wants, judge to find no fault and nothing to be left at rest. play makes the
// members of one run and their judge.
func cuts(t *testing.T, dirs []string, outages []time.Duration, play func(w *sim.World) (members []member, judge func() error)) {
	t.Helper()
	frames := 0
	synctest.Test(t, func(t *testing.T) {
		seen, err := playCut(dirs, play, sim.Cutting{At: -1})
		require.NoError(t, err)
		frames = len(seen)
	})
	require.Greater(t, frames, 60)
	made, failed := 0, 0
	for i, cut := range sim.Cuttings(frames, outages...) {
		if !*allCuts && i%someCuts > 0 {
			continue
		}
		made++
		synctest.Test(t, func(t *testing.T) {
			seen, err := playCut(dirs, play, cut)
			if err != nil && failed < 5 {
				failed++
				at := "the frame did not come"
				if cut.At < len(seen) {
					at = seen[cut.At].String()
				}
				t.Errorf("%v (%v):\n%v", cut, at, err)
			}
		})
	}
	t.Logf("%d frames, %d cuts", frames, made)
}

// playCut plays one run. It runs in a bubble.
func playCut(dirs []string, play func(w *sim.World) ([]member, func() error), cut sim.Cutting) ([]zktest.Frame, error) {
	w, err := sim.NewWorld(zktest.Config{Seed: 1})
	if err != nil {
		return nil, err
	}
	cutter := w.NewCutter(cut)
	ctx, cancel := context.WithTimeout(context.Background(), 20*timeout)
	defer cancel()
	members, judge := play(w)
	failures := make([]error, len(members))
	var all sync.WaitGroup
	for i, m := range members {
		name := fmt.Sprint("member ", i)
		cli, err := w.Client(name, func(c *framework.Config) { c.SessionTimeout = timeout })
		if err != nil {
			return nil, err
		}
		all.Go(func() {
			if err := m(ctx, cli, name); err != nil {
				failures[i] = fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	all.Wait()
	time.Sleep(2 * timeout) // for what goes on in the background, and for dead sessions to end
	for _, dir := range dirs {
		if left := w.Queue(dir); len(left) > 0 {
			failures = append(failures, fmt.Errorf("nobody holds and these nodes are left in %s: %v", dir, left))
		}
	}
	failures = append(failures, judge(), w.Close())
	return cutter.Frames(), errors.Join(failures...)
}

// Two that write, downgrade and read, and one that reads: each reader is judged together with the writers.
func TestReadWriteLockCutAtEveryFrame(t *testing.T) {
	for policy, opts := range cutPolicies {
		t.Run(policy, func(t *testing.T) {
			cuts(t, []string{path}, cutOutages[policy], func(w *sim.World) ([]member, func() error) {
				with0, with2 := w.NewLedger("with reader 0"), w.NewLedger("with reader 2")
				note := func(held *lock.Held, name string, ledgers ...*sim.Ledger) {
					for _, l := range ledgers {
						l.Begin(held.Context(), name, held.Token())
					}
				}
				reads := func(ledger *sim.Ledger) member {
					return func(ctx context.Context, cli *framework.Client, name string) error {
						for range 2 {
							held, err := lock.NewRW(cli, path, opts...).RLock(ctx)
							if err != nil {
								return err
							}
							note(held, name, ledger)
							if err := keep(ctx, held); err != nil {
								return err
							}
						}
						return nil
					}
				}
				writes := func(ctx context.Context, cli *framework.Client, name string) error {
					held, err := lock.NewRW(cli, path, opts...).Lock(ctx)
					if err != nil {
						return err
					}
					note(held, name, with0, with2)
					reading, err := held.Downgrade(ctx)
					if err != nil {
						return keep(ctx, held)
					}
					return keep(ctx, reading)
				}
				return []member{reads(with0), writes, reads(with2)}, func() error {
					return errors.Join(with0.Judge(), with2.Judge())
				}
			})
		})
	}
}

func TestCuttingSeesALeftover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := playCut([]string{"/left"}, func(w *sim.World) ([]member, func() error) {
			_, err := w.Server.Create("/left", nil, zktest.Persistent)
			assert.NoError(t, err)
			_, err = w.Server.Create("/left/over", nil, zktest.Persistent)
			assert.NoError(t, err)
			return nil, func() error { return errors.New("a fault") }
		}, sim.Cutting{At: -1})
		assert.ErrorContains(t, err, "/left")
		assert.ErrorContains(t, err, "a fault")
	})
}

// Three members of which two fit in, one with two permits. What they hold together never exceeds the limit.
func TestSemaphoreCutAtEveryFrame(t *testing.T) {
	for policy, opts := range cutPolicies {
		t.Run(policy, func(t *testing.T) {
			cuts(t, []string{leases, turns}, cutOutages[policy], func(w *sim.World) ([]member, func() error) {
				ledger := w.NewLedger("permits")
				takes := func(n int) member {
					return func(ctx context.Context, cli *framework.Client, name string) error {
						held, err := lock.NewSemaphore(cli, pool, 2, opts...).Acquire(ctx, n)
						if err != nil {
							return err
						}
						for _, token := range held.Tokens() {
							ledger.Begin(held.Context(), name, token)
						}
						return keep(ctx, held)
					}
				}
				return []member{takes(1), takes(2), takes(1)}, func() error { return atMost(2, ledger.Tenures()) }
			})
		})
	}
}

// atMost returns an error if more than n tenures ever overlap. It looks at the beginning of each.
func atMost(n int, tenures []sim.Tenure) error {
	for _, at := range tenures {
		held := 0
		for _, t := range tenures {
			if t.From <= at.From && (t.To == 0 || t.To > at.From) {
				held++
			}
		}
		if held > n {
			return fmt.Errorf("%d are held at %v, and the limit is %d: %v", held, at.From, n, tenures)
		}
	}
	return nil
}
