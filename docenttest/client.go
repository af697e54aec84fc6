package docenttest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/docent-zk/docent/framework"
)

// SessionTimeout is the session timeout of clients, unless their configuration says otherwise.
const SessionTimeout = 10 * time.Second

// Config returns the configuration of a client of the server. The client dials from a host with the given name. Several clients may have
// one name; faults then affect all of them. The caller may change the configuration, and closes the client.
func (s *Server) Config(name string) framework.Config {
	s.mu.Lock()
	s.named[name]++
	n := s.named[name]
	s.mu.Unlock()
	seed := name
	if n > 1 {
		seed = fmt.Sprint(name, "\x00", n) // two processes on one host do not draw the same GUIDs
	}
	return framework.Config{
		ConnectString:  s.ConnectString(),
		SessionTimeout: SessionTimeout,
		Dialer:         s.Client(name).Dial,
		Random:         rand.NewChaCha8(sha256.Sum256([]byte(seed))),
	}
}

// Connect returns a client with a session. It uses the configuration of [Server.Config], with the changes applied in order. The client is closed when the test ends.
func (s *Server) Connect(name string, changes ...func(*framework.Config)) *framework.Client {
	s.tb.Helper()
	cfg := s.Config(name)
	for _, change := range changes {
		change(&cfg)
	}
	cli, err := framework.New(cfg)
	s.must(err, "make client %q", name)
	s.tb.Cleanup(func() {
		if err := cli.Close(); err != nil {
			s.tb.Errorf("docenttest: client %q does not close: %v", name, err)
		}
	})
	ctx, cancel := context.WithTimeout(s.tb.Context(), limit)
	defer cancel()
	s.must(cli.WaitConnected(ctx), "connect client %q", name)
	return cli
}
