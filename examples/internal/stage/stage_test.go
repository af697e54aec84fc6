package stage

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(realzk.Main(m)) }

func TestStatus(t *testing.T) {
	for name, c := range map[string]struct {
		tell   Tell
		status int
		text   string
	}{
		"kept": {
			tell: func(_ context.Context, s *Stage) error {
				s.Title("1. Once.")
				s.Promise(true, "so it is")
				return nil
			},
			status: Held, text: "\n1. Once.\n   ok        so it is\n\nEverything held.\n",
		},
		"broken": {
			tell: func(_ context.Context, s *Stage) error {
				s.Promise(false, "so it is")
				s.Promise(true, "and so on")
				return nil
			},
			status: Broken, text: "   FAILED    so it is\n   ok        and so on\n\n1 of the promises above did not hold.\n",
		},
		"untold": {
			tell:   func(context.Context, *Stage) error { return errors.New("no time") },
			status: Untold, text: "\nfable: no time\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			assert.Equal(t, c.status, (&Stage{Name: "fable", Out: &out}).Play(t.Context(), c.tell))
			assert.Contains(t, out.String(), c.text)
			assert.Contains(t, out.String(), "docent on a ZooKeeper-protocol server inside this process, 127.0.0.1:")
		})
	}
}

// A story leaves nothing behind on somebody's ensemble.
func TestSweepsAnEnsemble(t *testing.T) {
	space := realzk.Shared(t)
	var namespace string
	var out bytes.Buffer
	status := (&Stage{Name: "fable", Out: &out, ConnectString: space.ConnectString(), Timeout: 15 * time.Second}).Play(t.Context(),
		func(ctx context.Context, s *Stage) error {
			assert.Nil(t, s.Server)
			namespace = s.Namespace
			cli, err := framework.New(framework.Config{ConnectString: s.ConnectString, Namespace: s.Namespace})
			if err != nil {
				return err
			}
			defer s.Close("the client", cli)
			for _, path := range []string{"/a/b/c", "/a/b/d", "/e"} {
				if _, err := cli.Create(ctx, path, nil, framework.Parents); err != nil {
					return err
				}
			}
			return nil
		})
	require.Equal(t, Held, status, out.String())
	cli, err := framework.New(framework.Config{ConnectString: space.ConnectString()})
	require.NoError(t, err)
	defer cli.Close()
	_, there, err := cli.Exists(t.Context(), "/"+namespace)
	require.NoError(t, err)
	require.False(t, there)
}

func TestCable(t *testing.T) {
	var out bytes.Buffer
	status := (&Stage{Name: "fable", Out: &out, Timeout: 3 * time.Second}).Play(t.Context(), func(ctx context.Context, s *Stage) error {
		cable := &Cable{}
		cli, err := framework.New(framework.Config{ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Dialer: cable.Dial})
		if err != nil {
			return err
		}
		defer s.Close("the client", cli)
		states := cli.States(ctx)
		for _, step := range []struct {
			do   func()
			want framework.State
		}{
			{func() {}, framework.Connected},
			{cable.Blip, framework.Suspended},
			{func() {}, framework.Reconnected},
			{cable.Cut, framework.Suspended},
			{cable.Plug, framework.Reconnected},
			{cable.Unplug, framework.Suspended},
			{func() {}, framework.Lost},
			{cable.Plug, framework.Connected},
		} {
			step.do()
			now, err := Await(ctx, states, func(c framework.StateChange) bool { return c.State != framework.Connecting })
			if err != nil {
				return err
			}
			s.Promise(now.State == step.want, "%v, wanted %v", now.State, step.want)
		}
		return nil
	})
	require.Equal(t, Held, status, out.String())
}

func TestAwait(t *testing.T) {
	news := make(chan int, 3)
	news <- 1
	news <- 2
	got, err := Await(t.Context(), news, func(i int) bool { return i == 2 })
	require.NoError(t, err)
	require.Equal(t, 2, got)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Await(ctx, news, func(int) bool { return true })
	require.ErrorIs(t, err, context.Canceled)
	close(news)
	_, err = Await(t.Context(), news, func(int) bool { return true })
	require.EqualError(t, err, "there is no more news")
}

func TestReason(t *testing.T) {
	require.Equal(t, framework.ErrSuspended.Error(), Reason(errors.Join(errors.New("long"), framework.ErrSuspended)))
	require.Equal(t, "short", Reason(errors.New("short")))
	require.Equal(t, "<nil>", Reason(nil))
}

func TestGo(t *testing.T) {
	wrong := errors.New("wrong")
	before := time.Now()
	got := <-Go(func() (int, error) { return 3, wrong })
	require.Equal(t, Outcome[int]{Value: 3, Err: wrong, When: got.When}, got)
	require.False(t, got.When.Before(before))
}

func TestQueued(t *testing.T) {
	var out bytes.Buffer
	status := (&Stage{Name: "fable", Out: &out, Timeout: 15 * time.Second}).Play(t.Context(), func(ctx context.Context, s *Stage) error {
		cli, err := framework.New(framework.Config{ConnectString: s.ConnectString})
		if err != nil {
			return err
		}
		defer s.Close("the client", cli)
		_, err = cli.Create(ctx, "/queue/first", nil, framework.Parents)
		require.NoError(t, err)
		two := Go(func() (bool, error) {
			err := Queued(ctx, cli, "/queue", 2)
			_, there, _ := cli.Exists(ctx, "/queue/second")
			return there, err
		})
		_, err = cli.Create(ctx, "/queue/second", nil)
		require.NoError(t, err)
		waited := <-two
		require.NoError(t, waited.Err)
		require.True(t, waited.Value)

		short, stop := context.WithCancel(ctx)
		three := Go(func() (any, error) { return nil, Queued(short, cli, "/queue", 3) })
		stop()
		require.ErrorIs(t, (<-three).Err, context.Canceled)
		return nil
	})
	require.Equal(t, Held, status, out.String())
}
