package realzk

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSharedServerHasASpaceForEachTest(t *testing.T) {
	a, b := Shared(t), Shared(t)
	assert.Equal(t, a.Addr(), b.Addr())
	assert.NotEqual(t, a.Root(), b.Root())
	assert.Equal(t, a.Addr()+a.Root(), a.ConnectString())
	assert.True(t, strings.HasPrefix(a.Root(), "/t"))

	conn := connect(t, a.Addr())
	requireThere(t, conn, a.Root())
	requireThere(t, conn, b.Root())
	create(t, conn, a.Root()+"/node")

	require.NoError(t, a.ExpireSession(within(t), conn.SessionID()))
	conn.await(t, zk.StateExpired)
}

func TestSharedServerIsStartedOnce(t *testing.T) {
	found := machine.require(t)
	require.NoError(t, CloseShared())
	servers := make([]*Server, 8)
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() { servers[i], _ = sharedOn(found) })
	}
	wg.Wait()
	for _, s := range servers {
		require.NotNil(t, s)
		assert.Same(t, servers[0], s)
	}
	require.NoError(t, CloseShared())
	assert.False(t, servers[0].Running())
	require.NoError(t, CloseShared(), "there is nothing to close")
}

func TestSharedServerThatCannotStart(t *testing.T) {
	require.NoError(t, CloseShared())
	broken := installation{java: "/nonexistent/java"}
	for range 2 {
		_, err := sharedOn(broken)
		require.ErrorContains(t, err, "/nonexistent/java")
	}
	require.NoError(t, CloseShared())
}

type fakeM func() int

func (m fakeM) Run() int { return m() }

func TestMainClosesTheSharedServer(t *testing.T) {
	found := machine.require(t)
	require.NoError(t, CloseShared())
	var s *Server
	code := Main(fakeM(func() int {
		s, _ = sharedOn(found)
		return 3
	})).Run()
	assert.Equal(t, 3, code)
	require.NotNil(t, s)
	assert.False(t, s.Running())
}

func TestSharedSpaceOnABrokenServer(t *testing.T) {
	s := Standalone(t, Options{})
	require.NoError(t, s.Kill())
	_, err := newSpace(s)
	require.ErrorContains(t, err, "creating /t")
	require.False(t, errors.Is(err, ErrNotRunning))
}
