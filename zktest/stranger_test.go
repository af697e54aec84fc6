package zktest_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// A connection without a handshake ends after ten to twenty seconds, as on a real server. One with a session does not.
func TestConnectionsWithoutAHandshakeEnd(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		time.Sleep(3 * time.Second)
		stranger := w.knock("stranger", 0)
		w.silent(stranger, 10*time.Second)
		begun := time.Now()
		w.ended(stranger)
		assert.LessOrEqual(t, time.Since(begun), 10*time.Second)
		w.silent(a, 9*time.Second)
		assert.Len(t, w.srv.Conns(), 1)
	})
}

// A dial to somewhere else that hangs does not hold up who comes in.
func TestSlowDialDoesNotDelayOthers(t *testing.T) {
	s, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	s.BeginDial("1")
	on := target{dial: func(string) (net.Conn, error) { return net.Dial("tcp", s.Addrs()[0]) }, patience: 30 * time.Second}
	lines := run(t, on, func(s *script) { s.client("a") })
	assert.Contains(t, lines, "session=S1")
}

// What ended sessions have caused is known of the latest only.
func TestCountsOfEndedSessionsAreFew(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		first := w.join("a")
		first.close()
		require.NotEmpty(t, w.srv.SessionCounts(first.id).Requests)
		for range 1000 {
			w.join("b").close()
			w.s.clients, w.s.lines = nil, nil
		}
		assert.Empty(t, w.srv.SessionCounts(first.id).Requests)
	})
}
