package framework_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// deadly is a kind of request over which a server always closes the connection, and a caller that goes on needing it.
type deadly struct {
	name string
	ops  []zktest.Op
	path string // only the requests that begin with it; "" for all
	// need makes the request, or has docent make it. It is called every ten minutes, a large request only once: nothing says
	// that the next one is too large as well.
	need func(ctx context.Context, t *testing.T, s *zktest.Server, cli *framework.Client, round int) error
	// fails is what the error of need says; "" if there must be none.
	fails string
	is    error // what the error matches
}

func deadlyRequests() []deadly {
	create := func(path string, opts ...framework.CreateOption) func(context.Context, *testing.T, *zktest.Server, *framework.Client, int) error {
		return func(ctx context.Context, t *testing.T, _ *zktest.Server, cli *framework.Client, round int) error {
			node, err := sessionOf(t, cli).Create(ctx, fmt.Sprint(path, round), nil, opts...)
			if err == nil && node.Stat.Czxid == 0 {
				err = fmt.Errorf("%s has no czxid", node.Path)
			}
			return err
		}
	}
	return []deadly{
		{"createContainer, for parents", []zktest.Op{zktest.OpCreateContainer}, "", func(ctx context.Context, t *testing.T, s *zktest.Server, cli *framework.Client, round int) error {
			return create(fmt.Sprintf("/made%d/a/b-", round), framework.Parents)(ctx, t, s, cli, round)
		}, "", nil},
		{"createContainer, asked for", []zktest.Op{zktest.OpCreateContainer}, "", create("/box", framework.Container), "create /box", framework.ErrUnsupported},
		{"createTTL", []zktest.Op{zktest.OpCreateTTL}, "", create("/brief", framework.PersistentTTL, framework.WithTTL(time.Hour)), "create /brief", framework.ErrUnsupported},
		{"create2", []zktest.Op{zktest.OpCreate2}, "", create("/node"), "", nil},
		{"addWatch", []zktest.Op{zktest.OpAddWatch}, "", func(ctx context.Context, t *testing.T, _ *zktest.Server, cli *framework.Client, _ int) error {
			w, err := sessionOf(t, cli).WatchTree(ctx, "/small")
			if err == nil {
				w.Stop()
			}
			return err
		}, "watchTree /small", framework.ErrUnsupported},
		{"setWatches", []zktest.Op{zktest.OpSetWatches, zktest.OpSetWatches2}, "", watchOverBreak, "", nil},
		{"a create of 600 KB", []zktest.Op{zktest.OpCreate, zktest.OpCreate2}, "/big", func(ctx context.Context, t *testing.T, _ *zktest.Server, cli *framework.Client, round int) error {
			if round > 0 {
				return nil
			}
			_, err := sessionOf(t, cli).Create(ctx, "/big", make([]byte, 600<<10))
			return err
		}, "create /big", framework.ErrTooLarge},
	}
}

// watchOverBreak sets a watch, breaks the connection once, and wants the watch to fire. It runs in a bubble.
func watchOverBreak(ctx context.Context, t *testing.T, s *zktest.Server, cli *framework.Client, round int) error {
	_, w, err := cli.WatchData(ctx, "/watched")
	if err != nil || round > 0 {
		return err
	}
	s.Cut(zktest.AllConns())
	time.Sleep(time.Minute)
	if err := s.Set("/watched", []byte(fmt.Sprint(round))); err != nil {
		return err
	}
	select {
	case <-w.C:
		return nil
	case <-ctx.Done():
		return framework.ContextError(ctx)
	}
}

// The server closes the connection over one kind of request, always: that request fails, and its error names it, or docent does
// without it; other requests go on; and the connection breaks three times in an hour at most.
func TestServerThatAlwaysClosesOverOneKindOfRequest(t *testing.T) {
	for _, d := range deadlyRequests() {
		t.Run(d.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) { d.run(t) })
		})
	}
}

// run needs the request for an hour, beside a caller of something else. It runs in a bubble.
func (d deadly) run(t *testing.T) {
	s := startServer(t, zktest.Config{})
	for _, path := range []string{"/small", "/watched"} {
		mustCreate(t, s, path, "old")
	}
	closed := 0
	t.Cleanup(s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		for _, op := range d.ops {
			if f.Stage == zktest.Request && f.Op == op && strings.HasPrefix(f.Path, d.path) {
				closed++
				return zktest.Cut
			}
		}
		return zktest.Pass
	}))
	const longer = 10 * sessionTimeout // fewer pings in the hour
	cli := connected(t, s, timeout(longer))
	states := record(t, cli)
	others := make(chan string, 1)
	hour := within(t, time.Hour)
	go func() { others <- readOften(hour, cli) }()
	for round := range 6 {
		begun := time.Now()
		ctx, cancel := context.WithTimeout(hour, 5*time.Minute)
		d.judge(t, round, d.need(ctx, t, s, cli, round))
		cancel()
		time.Sleep(time.Until(begun.Add(10 * time.Minute)))
	}
	assert.Empty(t, <-others)
	synctest.Wait()
	breaks := states.count(framework.Suspended)
	t.Logf("%d connections broken in an hour, %d of them over the request", breaks, closed)
	assert.LessOrEqual(t, closed, 3)
	assert.LessOrEqual(t, breaks, 4, "one of them may be the test's")
	assert.Zero(t, states.count(framework.Lost))
}

// judge looks at what became of one round.
func (d deadly) judge(t *testing.T, round int, err error) {
	if d.fails == "" || d.is == framework.ErrTooLarge && round > 0 { //nolint:errorlint // it is the table's
		assert.NoError(t, err)
		return
	}
	assert.ErrorIs(t, err, d.is)
	assert.ErrorContains(t, err, d.fails)
	assert.NotErrorIs(t, err, context.DeadlineExceeded)
}

// readOften reads every ten seconds until ctx ends, and returns what went wrong. It runs in a bubble.
func readOften(ctx context.Context, cli *framework.Client) string {
	for ctx.Err() == nil {
		begun := time.Now()
		_, err := cli.Get(ctx, "/small")
		if ctx.Err() == nil && (err != nil || time.Since(begun) > 2*sessionTimeout) {
			return fmt.Sprintf("a read took %v: %v", time.Since(begun), err)
		}
		time.Sleep(10 * time.Second)
	}
	return ""
}
