package recipes_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// timeout is the session timeout in these tests. No outage lasts long enough to be a doubt about the session.
const timeout = 20 * time.Second

// stage is where a recipe is put to the test: a server, the client that the recipe is on, and another one which stays well.
type stage struct {
	*testing.T
	server *zktest.Server
	cli    *framework.Client
	other  *framework.Client
}

// onStage runs f in a bubble.
func onStage(t *testing.T, f func(s *stage)) { onStageWith(t, zktest.Config{}, f) }

// onStageWith runs f in a bubble, with a server of its own choice.
func onStageWith(t *testing.T, cfg zktest.Config, f func(s *stage)) {
	synctest.Test(t, func(t *testing.T) {
		server, err := zktest.StartMemory(cfg)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Close()) })
		watchdog := time.AfterFunc(24*time.Hour, func() { panic("a test has waited for a day of its own time") })
		t.Cleanup(func() { watchdog.Stop() })
		s := &stage{T: t, server: server}
		s.cli, s.other = s.client("subject"), s.client("other")
		f(s)
	})
}

func (s *stage) client(name string) *framework.Client {
	cli, err := framework.New(framework.Config{
		ConnectString: s.server.ConnectString(), SessionTimeout: timeout, Dialer: s.server.Client(name).Dial,
	})
	require.NoError(s, err)
	s.Cleanup(func() { require.NoError(s, cli.Close()) })
	require.NoError(s, cli.WaitConnected(s.Context()))
	return cli
}

// suspend breaks the subject's connection and keeps it away until heal is called. It runs in a bubble.
func (s *stage) suspend() (heal func()) {
	s.server.Refuse()
	require.Positive(s, s.server.Cut(zktest.ClientConns("subject")))
	time.Sleep(time.Second)
	require.Equal(s, framework.Suspended, s.cli.State().State)
	return func() { require.NoError(s, s.server.Accept()) }
}

// settle lets everything come to rest in the given state. It runs in a bubble.
func (s *stage) settle(state framework.State) {
	time.Sleep(timeout / 2)
	synctest.Wait()
	require.Equal(s, state, s.cli.State().State)
}

// lose ends the subject's session on the server and waits for the next one. It runs in a bubble.
func (s *stage) lose() {
	require.True(s, s.server.ExpireSession(s.cli.State().SessionID))
	s.settle(framework.Connected)
}

// owned counts the children of dir that belong to the subject's present session.
func (s *stage) owned(dir string) (n int) {
	names, err := s.server.Children(dir)
	require.NoError(s, err)
	for _, name := range names {
		_, stat, err := s.server.Get(dir + "/" + name)
		require.NoError(s, err)
		if stat.EphemeralOwner == s.cli.State().SessionID {
			n++
		}
	}
	return n
}

// contexts are the contexts of several pieces of work, one after the other.
type contexts []context.Context

// ends are the causes of those that have ended.
func (c contexts) ends() (causes []error) {
	for _, ctx := range c {
		if ctx.Err() != nil {
			causes = append(causes, context.Cause(ctx))
		}
	}
	return causes
}

// going reports whether the latest has not ended.
func (c contexts) going() bool { return len(c) > 0 && c[len(c)-1].Err() == nil }
