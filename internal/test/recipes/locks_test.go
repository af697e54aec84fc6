package recipes_test

import (
	"context"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// lockOptions are those that change a lock's policies.
var lockOptions = []struct {
	written string
	option  lock.Option
	holding bool // it is about what is held, and not about waiting
}{
	{"lock.Hold(grace)", lock.Hold(0), true},
	{"lock.StopOnLost()", lock.StopOnLost(), false},
}

// holding are the ways to hold a lock that is made by open. acquire locks it and returns the context of what is held.
func holding[L interface{ Policy() framework.Policy }](
	open func(cli *framework.Client, opts ...lock.Option) L, acquire func(ctx context.Context, l L) (lock.Holding, error),
) []way {
	with := func(written string, opts ...lock.Option) way {
		return way{written, open(nil, opts...).Policy(), func(s *stage) work {
			l := open(s.cli, opts...)
			var held contexts
			var latest lock.Holding
			return work{
				begin: func() {
					if latest != nil { // its node stands as long as its holder does not say that it has stopped
						_ = latest.Unlock(s.Context())
					}
					var err error
					latest, err = acquire(s.Context(), l)
					require.NoError(s, err)
					held = append(held, latest.Context())
				},
				ends: func() []error { return held.ends() }, stands: func() bool { return held.going() },
			}
		}}
	}
	ways := []way{with("")}
	for _, o := range lockOptions {
		if o.holding {
			ways = append(ways, with(o.written, o.option))
		}
	}
	return ways
}

// held is what the reactions mean for whoever holds something.
func held(what, cancel, stop string) map[framework.Reaction]string {
	return map[framework.Reaction]string{
		framework.Cancel: cancel,
		framework.Hold:   what + " is kept while the session can be trusted, for `grace` at most if that is not 0",
		framework.Stop:   stop,
	}
}

func lockHeld() recipe {
	return recipe{
		"lock, held", held("the `Held`", "the `Held` ends", "the `Held` ends; the Mutex can be locked again"),
		holding(func(cli *framework.Client, opts ...lock.Option) *lock.Mutex { return lock.New(cli, path, opts...) },
			func(ctx context.Context, m *lock.Mutex) (lock.Holding, error) { return m.Lock(ctx) }),
	}
}

func writeHeld() recipe {
	return recipe{
		"write lock, held", held("the `Held`", "the `Held` ends", "the `Held` ends"),
		holding(openRW, func(ctx context.Context, m *lock.RWMutex) (lock.Holding, error) { return m.Lock(ctx) }),
	}
}

func readHeld() recipe {
	return recipe{
		"read lock, held", held("the `Held`", "the `Held` ends", "the `Held` ends"),
		holding(openRW, func(ctx context.Context, m *lock.RWMutex) (lock.Holding, error) { return m.RLock(ctx) }),
	}
}

func openRW(cli *framework.Client, opts ...lock.Option) *lock.RWMutex {
	return lock.NewRW(cli, path, opts...)
}

func semaphoreHeld() recipe {
	return recipe{
		"semaphore, held", held("the `Bundle`", "the `Bundle` ends: all permits of one Acquire together", "the same"),
		holding(func(cli *framework.Client, opts ...lock.Option) *lock.Semaphore {
			return lock.NewSemaphore(cli, path, 3, opts...)
		}, func(ctx context.Context, l *lock.Semaphore) (lock.Holding, error) { return l.Acquire(ctx, 2) }),
	}
}

func multiHeld() recipe {
	return recipe{
		"several locks as one, held", held("the `Bundle`", "the `Bundle` ends: all locks together", "the same"),
		holding(func(cli *framework.Client, opts ...lock.Option) *lock.Multi {
			return lock.NewMulti(cli, []string{path + "-a", path + "-b"}, opts...)
		}, func(ctx context.Context, l *lock.Multi) (lock.Holding, error) { return l.Lock(ctx) }),
	}
}

// calls are calls that should not return. It counts those that did.
type calls struct {
	returned chan error
	errs     []error
}

func newCalls() *calls { return &calls{returned: make(chan error, 16)} }

// start makes a call beside the test, which ends with it.
func (c *calls) start(s *stage, call func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.returned <- call(ctx)
	}()
	s.Cleanup(func() { cancel(); <-done })
}

// ends are what the calls have returned.
func (c *calls) ends() []error {
	for {
		select {
		case err := <-c.returned:
			c.errs = append(c.errs, err)
		default:
			return c.errs
		}
	}
}

func lockWaiting() recipe {
	with := func(written string, opts ...lock.Option) way {
		return way{written, lock.New(nil, path, opts...).WaitPolicy(), func(s *stage) work {
			first, err := lock.New(s.other, path).Lock(s.Context())
			require.NoError(s, err)
			s.Cleanup(func() { _ = first.Unlock(context.Background()) })
			waiting := newCalls()
			return work{
				begin: func() {
					waiting.start(s, func(ctx context.Context) error {
						_, err := lock.New(s.cli, path, opts...).Lock(ctx)
						return err
					})
				},
				ends: waiting.ends, stands: func() bool { return s.owned(path) == 1 },
			}
		}}
	}
	ways := []way{with("")}
	for _, o := range lockOptions {
		if !o.holding {
			ways = append(ways, with(o.written, o.option))
		}
	}
	return recipe{"lock of any kind, waiting", map[framework.Reaction]string{
		framework.Hold:    "keeps its place",
		framework.Rebuild: "queues again in the next session",
		framework.Stop:    "the call returns `framework.ErrSessionLost`",
	}, ways}
}
