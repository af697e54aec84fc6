package compat_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
	"github.com/docent-zk/docent/zktest"
)

// patience is for waiting, far longer than anything should take.
const patience = time.Minute

// player uses a capability of servers.
type player struct {
	*testing.T
	ctx context.Context
	cli *framework.Client
	srv *zktest.Server // nil on a real server

	mu    sync.Mutex
	conns []net.Conn
}

// dial keeps the connection, for cut.
func (p *player) dial(dial func(ctx context.Context, network, addr string) (net.Conn, error)) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err == nil {
			p.mu.Lock()
			p.conns = append(p.conns, conn)
			p.mu.Unlock()
		}
		return conn, err
	}
}

// cut breaks the client's connection.
func (p *player) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
}

// session is the client's present one.
func (p *player) session() *framework.Session {
	s, err := p.cli.Session(p.ctx)
	require.NoError(p, err)
	return s
}

// within is a context for one player.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// onZktest plays on a server in memory, in a bubble.
func onZktest(t *testing.T, server zktest.Config, client func(*framework.Config), play func(p *player)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := zktest.StartMemory(server)
		require.NoError(t, err)
		defer s.Close()
		p := &player{T: t, ctx: within(t), srv: s}
		p.connect(framework.Config{ConnectString: s.ConnectString(), Dialer: p.dial(s.Client("compat").Dial)}, client)
		defer func() { require.NoError(t, p.cli.Close()) }()
		play(p)
	})
}

// onAServer plays on a real one.
func onAServer(t *testing.T, connect string, client func(*framework.Config), play func(p *player)) {
	t.Helper()
	p := &player{T: t, ctx: within(t)}
	p.connect(framework.Config{ConnectString: connect, Dialer: p.dial((&net.Dialer{}).DialContext)}, client)
	defer func() { require.NoError(t, p.cli.Close()) }()
	play(p)
}

func (p *player) connect(cfg framework.Config, change func(*framework.Config)) {
	if change != nil {
		change(&cfg)
	}
	var err error
	p.cli, err = framework.New(cfg)
	require.NoError(p, err)
}

// shared is a part of a real server.
func shared(t *testing.T) string {
	t.Helper()
	return realzk.Shared(t).ConnectString()
}
