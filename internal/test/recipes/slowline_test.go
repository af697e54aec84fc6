package recipes_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// slowTimeout is the session timeout of clients on a slow line. A reply that takes 10.7 s takes more than 2/3 of it, and less than
// 3/4, which is when trust ends.
const slowTimeout = 15 * time.Second

// listed is how many children of 51 bytes each, and 4 bytes for their length, are listed: 2.2 MB.
const listed = 40_000

// tenancy is a lock and a leadership of one client, each acquired again when it has ended.
type tenancy struct {
	cancel  context.CancelFunc
	stopped sync.Once
	done    chan struct{} // one for each goroutine
	first   contexts      // the first of each

	mu    sync.Mutex
	begun contexts // of both, in the order in which they began
}

// dwell acquires both and keeps them.
func dwell(t *testing.T, cli *framework.Client) *tenancy {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	d := &tenancy{cancel: cancel, done: make(chan struct{}, 3)}
	begun := make(chan context.Context)
	keep := func(acquire func(ctx context.Context) (tenure, error)) {
		defer func() { d.done <- struct{}{} }()
		for ctx.Err() == nil {
			held, err := acquire(ctx)
			if err != nil {
				continue // it was lost while it was waited for
			}
			select {
			case begun <- held.context():
			case <-ctx.Done():
			}
			select {
			case <-held.context().Done():
			case <-ctx.Done():
			}
			_ = held.release(context.WithoutCancel(ctx))
		}
	}
	go keep(func(ctx context.Context) (tenure, error) {
		held, err := lock.New(cli, "/lock").Lock(ctx)
		if err != nil {
			return tenure{}, err
		}
		return tenure{held.Context, held.Unlock}, nil
	})
	go keep(func(ctx context.Context) (tenure, error) {
		term, err := leader.New(cli, "/leader").Campaign(ctx)
		if err != nil {
			return tenure{}, err
		}
		return tenure{term.Context, term.Resign}, nil
	})
	d.first = contexts{<-begun, <-begun}
	d.begun = slices.Clone(d.first)
	go func() {
		defer func() { d.done <- struct{}{} }()
		for {
			select {
			case term := <-begun:
				d.mu.Lock()
				d.begun = append(d.begun, term)
				d.mu.Unlock()
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(d.stop)
	return d
}

// terms are all so far, in the order in which they began.
func (d *tenancy) terms() contexts {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.begun)
}

// stop gives up both, and waits until that is done.
func (d *tenancy) stop() {
	d.stopped.Do(func() {
		d.cancel()
		for range cap(d.done) {
			<-d.done
		}
	})
}

// answered waits until a ping has been answered that was sent after now. The client has nothing else to ask meanwhile.
func answered(t *testing.T, cli *framework.Client) {
	t.Helper()
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for now := time.Now(); !cli.Info().LastAnswer.After(now); {
		select {
		case <-poll.C:
		case <-t.Context().Done():
			require.FailNow(t, "no ping is answered")
		}
	}
}

// onSlowLine runs f in a bubble with a client whose line carries so many bytes per second, and which lists "/dir" in a loop beside a
// lock and a leadership.
func onSlowLine(t *testing.T, rate int, f func(s *stage, cli *framework.Client, d *tenancy)) {
	onStage(t, func(s *stage) {
		_, err := s.server.Create("/dir", nil, zktest.Persistent)
		require.NoError(s, err)
		for i := range listed {
			_, err := s.server.Create(fmt.Sprintf("/dir/a-child-%043d", i), nil, zktest.Persistent)
			require.NoError(s, err)
		}
		cli, err := framework.New(framework.Config{
			ConnectString: s.server.ConnectString(), SessionTimeout: slowTimeout, Dialer: s.server.Client("slow").Dial,
		})
		require.NoError(s, err)
		s.Cleanup(func() { require.NoError(s, cli.Close()) })
		require.NoError(s, cli.WaitConnected(s.Context()))
		d := dwell(s.T, cli)
		s.Cleanup(s.server.Throttle(zktest.ClientConns("slow"), rate))
		f(s, cli, d)
	})
}

// list lists the children once, in so many timeouts at most, and returns how long that took.
func (s *stage) list(cli *framework.Client, timeouts int) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Duration(timeouts)*slowTimeout)
	defer cancel()
	begin := time.Now()
	names, _, err := cli.Children(ctx, "/dir")
	if err == nil {
		assert.Len(s, names, listed)
	}
	return time.Since(begin), err
}

// A list that takes 10.7 of 15 s to arrive is no silence of the server: nothing breaks and nothing is given up.
func TestSlowListLeavesClaimsAlone(t *testing.T) {
	onSlowLine(t, 205_000, func(s *stage, cli *framework.Client, d *tenancy) {
		before := s.server.ClientCounts("slow").Accepted
		lists := 0
		for range 2 {
			answered(s.T, cli)
			took, err := s.list(cli, 2)
			if assert.NoError(s, err) {
				assert.InDelta(s, 10.7, took.Seconds(), 0.2)
				lists++
			}
		}
		breaks := s.server.ClientCounts("slow").Accepted - before
		s.Logf("%d lists of 2 arrived; %d breaks, %d terms lost", lists, breaks, len(d.terms().ends()))
		assert.Zero(s, breaks)
		assert.Empty(s, d.terms().ends())
		assert.Equal(s, framework.Connected, cli.State().State)
	})
}
