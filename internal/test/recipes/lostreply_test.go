package recipes_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

var allReplies = flag.Bool("recipes.allreplies", false, "lose every reply in turn, not every second one")

// life is everything that the subject does with a recipe, from the first request to the last. Without a fault it lasts for a few
// seconds of the bubble's time.
type life struct {
	name string
	live func(ctx context.Context, s *stage) error
}

// loss is a reply to the subject that a server loses once, on a connection that lives on.
type loss struct {
	n int // number of the reply, from 1, without pings; 0 for none

	mu   sync.Mutex
	seen int
	at   time.Time    // when it was lost; zero before
	of   zktest.Frame // which one it was
}

// happened returns how many replies there were, and when one was lost and which.
func (l *loss) happened() (replies int, at time.Time, of zktest.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen, l.at, l.of
}

// arm begins to count replies.
func (l *loss) arm(s *stage) {
	s.server.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage != zktest.Reply || f.Conn.Client != "subject" || f.Op == zktest.OpPing || f.Op == zktest.OpConnect {
			return zktest.Pass
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.seen++; l.seen != l.n {
			return zktest.Pass
		}
		l.at, l.of = time.Now(), f
		return zktest.Drop
	})
}

// ending is how a life with a loss has ended.
type ending struct {
	err   error
	took  time.Duration
	quiet bool // neither was it over after a session timeout and a quarter, nor did Health say that anything was wrong
}

// suffer lives a life with a loss. It runs in a bubble.
func (l *life) suffer(s *stage, lost *loss) (end ending) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*timeout)
	defer cancel()
	lost.arm(s)
	begun, done := time.Now(), make(chan error, 1)
	go func() { done <- l.live(ctx, s) }()
	for {
		select {
		case end.err = <-done:
			end.took = time.Since(begun)
			return end
		case <-time.After(timeout / 20):
			if _, at, _ := lost.happened(); !at.IsZero() && time.Since(at) > timeout*5/4 && s.cli.Health().Ready() {
				end.quiet = true
			}
		}
	}
}

// One reply is lost, whichever it is (every second one without -recipes.allreplies): the recipe goes on within two session timeouts,
// and while it does not, Health says so.
func TestOneReplyLost(t *testing.T) {
	for _, l := range lives() {
		t.Run(l.name, func(t *testing.T) {
			replies, usual := 0, time.Duration(0)
			onStage(t, func(s *stage) {
				none := &loss{}
				end := l.suffer(s, none)
				require.NoError(s, end.err)
				replies, _, _ = none.happened()
				usual = end.took
			})
			require.Positive(t, replies)
			var late, quiet []string
			worst := time.Duration(0)
			step := 2
			if *allReplies {
				step = 1
			}
			for n := 1; n <= replies; n += step {
				onStage(t, func(s *stage) {
					lost := &loss{n: n}
					end := l.suffer(s, lost)
					worst = max(worst, end.took-usual)
					_, _, of := lost.happened()
					if end.err != nil || end.took > usual+2*timeout {
						late = append(late, fmt.Sprintf("reply %d, %v: %v, after %v", n, of, end.err, end.took-usual))
					}
					if end.quiet {
						quiet = append(quiet, fmt.Sprintf("reply %d, %v", n, of))
					}
				})
			}
			assert.Empty(t, late, "it did not go on in time")
			assert.Empty(t, quiet, "it stood still and Health said nothing")
			t.Logf("%d replies: %d times not in time, %d times without a word from Health; the worst cost %v", replies, len(late), len(quiet), worst)
		})
	}
}

// lives are all recipes.
func lives() []life {
	var list []life
	for name, c := range claims {
		list = append(list, life{name, c.live})
	}
	list = append(list, electionLives()...)
	list = append(list, barrierLives()...)
	list = append(list, counterLives()...)
	list = append(list, keptLives()...)
	list = append(list, cacheLives()...)
	list = append(list, discoveryLives()...)
	return append(list, operationLife())
}

// live waits for somebody else's claim to end, has the claim twice, and leaves it to somebody else.
func (c claim) live(ctx context.Context, s *stage) error {
	first, err := c.acquire(ctx, s.other)
	if err != nil {
		return err
	}
	released := make(chan error, 1)
	time.AfterFunc(time.Second, func() { released <- first.release(ctx) })
	for range 2 {
		mine, err := c.acquire(ctx, s.cli)
		if err != nil {
			return err
		}
		if err := mine.release(ctx); err != nil {
			return fmt.Errorf("release: %w", err)
		}
	}
	last, err := c.acquire(ctx, s.other)
	if err != nil {
		return fmt.Errorf("acquired by the other: %w", err)
	}
	return errors.Join(<-released, last.release(ctx))
}

// until waits for a condition. It runs in a bubble.
func until(ctx context.Context, what string, holds func() bool) error {
	for !holds() {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, framework.ContextError(ctx))
		}
		time.Sleep(timeout / 100)
	}
	return nil
}

// each calls steps one after the other until one fails.
func each(steps ...func() error) error {
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d: %w", i, err)
		}
	}
	return nil
}

// A server that lets the client do nothing at the root, as with an ACL that gives it nothing there, is good enough for everything below.
func TestRootThatMayNotBeRead(t *testing.T) {
	for _, l := range lives() {
		t.Run(l.name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				s.server.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage == zktest.Request && f.Conn.Client == "subject" && f.Path == "/" {
						return zktest.AnswerWith(-102)
					}
					return zktest.Pass
				})
				assert.NoError(s, l.suffer(s, &loss{}).err)
			})
		})
	}
}

// A server answers out of turn, over and over: everything works, and its connections are not broken in a loop.
func TestServerThatAnswersOutOfTurn(t *testing.T) {
	for _, l := range lives() {
		t.Run(l.name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				replies, breaks := 0, suspensions(s)
				s.server.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Stage != zktest.Reply || f.Conn.Client != "subject" || f.Op == zktest.OpConnect || f.Op == zktest.OpPing {
						return zktest.Pass
					}
					if replies++; replies%3 == 0 {
						return zktest.Overtaken
					}
					return zktest.Pass
				})
				assert.NoError(s, l.suffer(s, &loss{}).err)
				broken := breaks() // which waits for the server
				assert.LessOrEqual(s, broken, 3, "of %d replies", replies)
			})
		})
	}
}

// suspensions counts how often the subject's connection breaks from now on. It runs in a bubble.
func suspensions(s *stage) (count func() int) {
	var n atomic.Int32
	changes := s.cli.States(s.Context())
	go func() {
		for change := range changes {
			if change.State == framework.Suspended {
				n.Add(1)
			}
		}
	}()
	return func() int {
		synctest.Wait()
		return int(n.Load())
	}
}
