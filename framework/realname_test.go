package framework_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// realName is a host name of three real servers, as one client sees it.
type realName struct {
	servers []*realzk.Server
	dialled atomic.Pointer[realzk.Server] // the latest
}

var realAddresses = []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}

func (n *realName) configure(c *framework.Config) {
	c.LookupHost = func(context.Context, string) ([]string, error) { return realAddresses, nil }
	c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		server := n.servers[slices.IndexFunc(realAddresses, func(known string) bool { return strings.HasPrefix(address, known+":") })]
		n.dialled.Store(server)
		return (&net.Dialer{}).DialContext(ctx, network, server.Addr())
	}
}

// One server behind a name with three addresses hangs: it accepts connections and answers nothing. Its clients move to the others
// before their sessions end.
func TestRealNameOfWhichOneServerHangs(t *testing.T) {
	t.Parallel()
	ensemble := realzk.Ensemble(t, 3, realzk.Options{})
	leader, err := ensemble.Leader(within(t, patience))
	require.NoError(t, err)
	hung := ensemble.Servers()[0]
	if hung == leader {
		hung = ensemble.Servers()[1]
	}
	names := make(map[*framework.Client]*realName)
	for len(names) < 4 {
		name := &realName{servers: ensemble.Servers()}
		cli := realClient(t, "zk:2181", timeout(9*time.Second), name.configure)
		if name.dialled.Load() == hung {
			names[cli] = name
		}
	}
	sessions := make(map[*framework.Client]int64)
	for cli := range names {
		sessions[cli] = cli.State().SessionID
	}
	require.NoError(t, hung.Pause())
	for cli, name := range names {
		for ch := range cli.States(within(t, patience)) {
			require.NotEqual(t, framework.Lost, ch.State, "%v", ch.Cause)
			if ch.State.Connected() && name.dialled.Load() != hung {
				break
			}
		}
		require.Equal(t, sessions[cli], cli.State().SessionID, "a session was lost")
	}
	require.NoError(t, hung.Resume())
}
