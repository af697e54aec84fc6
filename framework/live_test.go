package framework_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestLiveRecipes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		for _, name := range []string{"b", "a"} {
			go func() {
				_ = cli.Run(ctx, framework.Recipe{Name: name, Path: "/x", Policy: policies["cancel, rebuild"],
					Run: func(ctx context.Context, _ *framework.Session) error { <-ctx.Done(); return ctx.Err() }})
			}()
			time.Sleep(time.Second)
		}
		for _, event := range []string{"blip", "expired"} {
			events[event](t, s, cli)
			synctest.Wait()
		}
		list := cli.Recipes()
		require.Len(t, list, 2)
		assert.Equal(t, "b", list[0].Name, "oldest first")
		assert.Equal(t, "/x", list[0].Path)
		assert.Equal(t, policies["cancel, rebuild"], list[0].Policy)
		assert.Equal(t, time.Second, list[1].Since.Sub(list[0].Since))
		assert.Equal(t, 3, list[0].Starts)
		assert.EqualValues(t, 2, list[0].Epoch)
		assert.Equal(t, framework.Running, list[0].Status.State)
		assert.Equal(t, cli.State().Time, list[0].Status.Since, "since the new session")
		cancel()
		synctest.Wait()
		assert.Empty(t, cli.Recipes())
	})
}

// status is that of the only recipe of a client.
func status(t *testing.T, cli *framework.Client) framework.Status {
	t.Helper()
	synctest.Wait()
	list := cli.Recipes()
	require.Len(t, list, 1)
	return list[0].Status
}

// reporter is a recipe that reports what it is told to.
func reporter(reports <-chan error, state string, sessions chan<- *framework.Session) framework.Recipe {
	return framework.Recipe{Name: "reporter", Policy: policies["cancel, rebuild"], Run: func(ctx context.Context, s *framework.Session) error {
		sessions <- s
		for {
			select {
			case err := <-reports:
				s.Report(state, err)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}}
}

func TestReports(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		s.Stop()
		cli := newClient(t, s)
		reports, sessions, bad := make(chan error), make(chan *framework.Session, 10), errors.New("not well")
		begun := time.Now()
		go func() { _ = cli.Run(t.Context(), reporter(reports, "standing", sessions)) }()
		time.Sleep(time.Second)
		assert.Equal(t, framework.Status{State: framework.NotRunning, Since: begun}, status(t, cli))

		require.NoError(t, s.StartEndpoint())
		up := awaitState(t, cli, framework.Connected, framework.Reconnected).Time
		assert.Equal(t, framework.Status{State: framework.Running, Since: up}, status(t, cli))
		time.Sleep(time.Second)
		reports <- nil
		stood := time.Now()
		assert.Equal(t, framework.Status{State: "standing", Since: stood}, status(t, cli))
		time.Sleep(time.Second)
		reports <- bad
		unwell := time.Now()
		assert.Equal(t, framework.Status{State: "standing", Since: stood, Err: bad, Unwell: unwell}, status(t, cli), "still the same state")

		s.Stop()
		down := awaitState(t, cli, framework.Suspended).Time
		got := status(t, cli)
		assert.Equal(t, framework.NotRunning, got.State)
		assert.Equal(t, down, got.Since)
		require.ErrorIs(t, got.Err, framework.ErrSuspended)
		assert.Equal(t, unwell, got.Unwell)
		require.NoError(t, s.StartEndpoint())
		up = awaitState(t, cli, framework.Reconnected).Time
		again := framework.Status{State: framework.Running, Since: up, Unwell: unwell}
		assert.Equal(t, again, status(t, cli), "it has not said yet that it is well again")
		(<-sessions).Report("from the start before", bad)
		sessionOf(t, cli).Report("from somebody else", bad)
		assert.Equal(t, again, status(t, cli))
		reports <- nil
		assert.Equal(t, framework.Status{State: "standing", Since: time.Now()}, status(t, cli))
	})
}

func TestTracked(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		session, bad := sessionOf(t, cli), errors.New("ended")
		held := session.Track("lock", "/locks/a", policies["cancel, rebuild"], "holding", slog.Int("token", 7))
		begun := time.Now()
		time.Sleep(time.Second)
		other := session.Track("lock", "/locks/b", policies["cancel, rebuild"], "holding")
		list := cli.Recipes()
		require.Len(t, list, 2)
		assert.Equal(t, framework.LiveRecipe{
			Name: "lock", Path: "/locks/a", Namespace: "/", Policy: policies["cancel, rebuild"], Since: begun, Epoch: 1, Held: true,
			Status: framework.Status{State: "holding", Since: begun, Attrs: []slog.Attr{slog.Int("token", 7)}},
		}, list[0])
		other.End()
		other.End()
		other.Report("ended", bad)
		events["expired"](t, s, cli)
		held.Report("ended", bad)
		assert.Equal(t, framework.Status{
			State: "ended", Since: time.Now(), Err: bad, Unwell: time.Now(), Attrs: []slog.Attr{slog.Int("token", 7)},
		}, status(t, cli))
		held.Report("ended", bad, slog.Int("token", 8))
		assert.Equal(t, []slog.Attr{slog.Int("token", 8)}, status(t, cli).Attrs)
		require.NoError(t, cli.Close(), "nobody waits for it")
		assert.Len(t, cli.Recipes(), 1)
		held.End()
		assert.Empty(t, cli.Recipes())
	})
}

// What a recipe is listed with: its own attributes, those of its latest report, and the namespace that its path is in.
func TestAttrs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		root := connected(t, s)
		cli, err := root.Namespace("/a/b")
		require.NoError(t, err)
		step := make(chan struct{})
		go func() {
			_ = cli.Run(t.Context(), framework.Recipe{Name: "n", Path: "/x", Policy: policies["cancel, rebuild"], Attrs: []slog.Attr{slog.Any("own", nowValuer{})},
				Run: func(ctx context.Context, s *framework.Session) error {
					s.Report("one", nil, slog.Int("first", 1))
					<-step
					s.Report("two", nil)
					<-ctx.Done()
					return ctx.Err()
				}})
		}()
		got := status(t, root)
		assert.Equal(t, []slog.Attr{slog.Int("first", 1)}, got.Attrs)
		assert.Equal(t, "/a/b", root.Recipes()[0].Namespace)
		for range 2 {
			assert.Equal(t, []slog.Attr{slog.Time("own", time.Now())}, root.Recipes()[0].Attrs, "the value at that moment")
			time.Sleep(time.Second)
		}
		close(step)
		assert.Empty(t, status(t, root).Attrs, "they belong to a report")
		held := sessionOf(t, cli).Track("lock", "/y", policies["cancel, rebuild"], "holding")
		defer held.End()
		assert.Equal(t, "/a/b", root.Recipes()[1].Namespace)
	})
}

// nowValuer is a value that changes.
type nowValuer struct{}

func (nowValuer) LogValue() slog.Value { return slog.TimeValue(time.Now()) }
