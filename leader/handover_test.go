package leader_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

// tidying is how long the leader functions of these tests take to return.
const tidying = 2 * time.Second

// senior is a Run whose leader function is slow to return, and hands over whenever it is told a successor.
type senior struct {
	cancel    context.CancelCauseFunc
	terms     chan *leader.Term
	successor chan string
	named     chan error     // what ResignTo has returned
	returned  chan time.Time // when the leader function did
	done      chan error
}

// presides starts a senior. It runs in a bubble.
func presides(t *testing.T, e *leader.Election) *senior {
	t.Helper()
	s := &senior{
		terms: make(chan *leader.Term, 10), successor: make(chan string), named: make(chan error, 10),
		returned: make(chan time.Time, 10), done: make(chan error, 1),
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	s.cancel = cancel
	go func() {
		s.done <- e.Run(ctx, func(ctx context.Context, term *leader.Term) error {
			s.terms <- term
			select {
			case id := <-s.successor:
				s.named <- term.ResignTo(t.Context(), id)
			case <-ctx.Done():
			}
			time.Sleep(tidying)
			s.returned <- time.Now()
			return errOwn
		})
	}()
	return s
}

// The leader function returns before its node goes, and Run stands again behind the others.
func TestHandover(t *testing.T) {
	for name, opts := range map[string][]leader.Option{"cancel": nil, "hold": {leader.Hold(0)}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				a := presides(t, leader.New(w.Connect("a"), path, append(opts, leader.WithID("a"))...))
				first := <-a.terms
				b := w.campaign(t.Context(), leader.New(w.Connect("b"), path, leader.WithID("b")), 2)
				c := w.campaign(t.Context(), leader.New(w.Connect("c"), path, leader.WithID("c")), 3)
				a.successor <- "c"
				require.NoError(t, <-a.named)
				assert.ErrorIs(t, context.Cause(first.Context()), leader.ErrResigned)
				next := <-c
				require.NoError(t, next.err)
				returned := <-a.returned
				assert.False(t, next.at.Before(returned))
				assert.Less(t, next.at.Sub(returned), 10*time.Millisecond)
				assert.Empty(t, b)
				time.Sleep(time.Second)
				assert.Len(t, w.List(path), 3, "all three stand")
				require.NoError(t, next.term.Resign(t.Context()))
				<-time.After(time.Second)
				assert.Len(t, w.List(path), 2)
				if len(b) == 0 { // a has queued again before b was woken
					a.successor <- "b"
					require.NoError(t, <-a.named)
				}
				second := won(t, b)
				require.NoError(t, second.Resign(t.Context()))
				again := <-a.terms
				assert.Greater(t, again.Token(), first.Token())
				assert.Empty(t, a.done)
			})
		})
	}
}

// The successor leaves while the leader function finishes: it is called again, with the same token.
func TestHandoverToAWaiterThatLeaves(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := presides(t, leader.New(w.Connect("a"), path))
		first := <-a.terms
		b := w.campaign(t.Context(), leader.New(w.Connect("b"), path, leader.WithID("b")), 2)
		ctx, leave := context.WithCancel(t.Context())
		w.campaign(ctx, leader.New(w.Connect("c"), path, leader.WithID("c")), 3)
		a.successor <- "c"
		require.NoError(t, <-a.named)
		leave()
		second := <-a.terms
		assert.NotEmpty(t, a.returned, "never two of them at once")
		leads(t, second)
		assert.Equal(t, first.Token(), second.Token())
		assert.Error(t, first.Context().Err())
		_, err := first.Multi(t.Context(), nil)
		assert.ErrorIs(t, err, leader.ErrNotLeader)
		_, err = second.Multi(t.Context(), []framework.Op{framework.SetOp(path, nil, framework.AnyVersion)})
		assert.NoError(t, err)
		assert.Empty(t, b)
		a.successor <- "b"
		require.NoError(t, <-a.named)
		won(t, b)
	})
}

// Whoever shuts down names a successor and ends Run. If the successor has left, the next one leads.
func TestHandoverAtShutdown(t *testing.T) {
	for name, leaves := range map[string]bool{"the successor leads": false, "the successor leaves": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				a := presides(t, leader.New(w.Connect("a"), path))
				<-a.terms
				b := w.campaign(t.Context(), leader.New(w.Connect("b"), path, leader.WithID("b")), 2)
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				c := w.campaign(ctx, leader.New(w.Connect("c"), path, leader.WithID("c")), 3)
				a.successor <- "c"
				require.NoError(t, <-a.named)
				a.cancel(errors.New("shutdown"))
				want := c
				if leaves {
					leave()
					<-c
					want = b
				}
				assert.Equal(t, errOwn, <-a.done)
				won(t, want)
				assert.Empty(t, a.terms)
				time.Sleep(time.Second)
				assert.Len(t, w.List(path), map[bool]int{true: 1, false: 2}[leaves])
			})
		})
	}
}

// A leader function that panics after it has named a successor releases, as any other.
func TestPanicAfterResignTo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		e := leader.New(w.Connect("a"), path)
		var b, c <-chan outcome
		assert.PanicsWithValue(t, "boom", func() {
			_ = e.Run(t.Context(), func(ctx context.Context, term *leader.Term) error {
				b = w.campaign(t.Context(), leader.New(w.Connect("b"), path, leader.WithID("b")), 2)
				c = w.campaign(t.Context(), leader.New(w.Connect("c"), path, leader.WithID("c")), 3)
				assert.NoError(t, term.ResignTo(ctx, "c"))
				panic("boom")
			})
		})
		won(t, b)
		assert.Empty(t, c)
		assert.Len(t, w.List(path), 2)
	})
}

// The connection breaks before the leader function has returned: leadership is handed over when it is back.
func TestHandoverThroughAnOutage(t *testing.T) {
	for name, outage := range map[string]time.Duration{"short": timeout / 2, "lost": 2 * timeout} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				a := presides(t, leader.New(w.Connect("a"), path, leader.WithID("a")))
				first := <-a.terms
				b := w.campaign(t.Context(), leader.New(w.Connect("b"), path, leader.WithID("b")), 2)
				c := w.campaign(t.Context(), leader.New(w.Connect("c"), path, leader.WithID("c")), 3)
				a.successor <- "c"
				require.NoError(t, <-a.named)
				heal := w.OnFrame(func(f zktest.Frame) zktest.Verdict {
					if f.Conn.Client == "a" {
						return zktest.Cut
					}
					return zktest.Pass
				})
				w.cut("a")
				time.Sleep(outage)
				if name == "lost" { // the servers have decided
					won(t, b)
					assert.Empty(t, c)
				}
				heal()
				if name == "short" {
					won(t, c)
					assert.Empty(t, b)
				}
				time.Sleep(timeout)
				assert.Len(t, w.List(path), 3, "the old leader stands again")
				assert.Error(t, first.Context().Err())
				assert.Empty(t, a.terms)
			})
		})
	}
}

// The connection breaks before the leader function has returned, and the successor leaves: a term that was lost is not
// revived.
func TestHandoverThatFailsAfterASuspension(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := presides(t, leader.New(w.Connect("a"), path, leader.WithID("a")))
		first := <-a.terms
		b := w.campaign(t.Context(), leader.New(w.Connect("b"), path, leader.WithID("b")), 2)
		ctx, leave := context.WithCancel(t.Context())
		w.campaign(ctx, leader.New(w.Connect("c"), path, leader.WithID("c")), 3)
		a.successor <- "c"
		require.NoError(t, <-a.named)
		w.cut("a")
		leave()
		won(t, b)
		time.Sleep(time.Second)
		assert.False(t, w.Exists(first.Path()))
		assert.Len(t, w.List(path), 2)
		assert.Empty(t, a.terms)
	})
}

// Whoever shuts down while the servers are away does not wait for them for long.
func TestHandoverAtShutdownDuringAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a := presides(t, leader.New(w.Connect("a"), path))
		<-a.terms
		c := w.campaign(t.Context(), leader.New(w.Connect("c"), path, leader.WithID("c")), 2)
		a.successor <- "c"
		require.NoError(t, <-a.named)
		w.Refuse()
		w.cut("a")
		a.cancel(errors.New("shutdown"))
		returned := <-a.returned
		assert.Equal(t, errOwn, <-a.done)
		assert.LessOrEqual(t, time.Since(returned), timeout/4+time.Millisecond)
		require.NoError(t, w.Accept())
		won(t, c)
	})
}

// The client is closed while the transfer is under way: Close waits for it.
func TestCloseDuringAHandover(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		a := presides(t, leader.New(cli, path))
		<-a.terms
		c := w.campaign(t.Context(), leader.New(w.Connect("c"), path, leader.WithID("c")), 2)
		a.successor <- "c"
		require.NoError(t, <-a.named)
		require.NoError(t, cli.Close())
		assert.ErrorIs(t, <-a.done, framework.ErrClosed)
		assert.NotEmpty(t, a.returned)
		won(t, c)
	})
}
