package ground

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		<-done
	})
	return l.Addr().String()
}

func relayTo(t *testing.T, target string, delay time.Duration) *Relay {
	t.Helper()
	r, err := NewRelay(target, delay)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// ask sends a text and reads it again.
func ask(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
	_, err := io.WriteString(conn, text)
	require.NoError(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(conn, got)
	require.NoError(t, err)
	assert.Equal(t, text, string(got))
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp4", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestRelayPassesOnAndCounts(t *testing.T) {
	r := relayTo(t, echo(t), 0)
	conn := dial(t, r.Addr())
	ask(t, conn, "hello")
	ask(t, conn, "again")
	sent, received := r.Bytes()
	assert.EqualValues(t, 10, sent)
	assert.EqualValues(t, 10, received)
}

func TestRelayDelaysBothWays(t *testing.T) {
	const delay = 5 * time.Millisecond
	conn := dial(t, relayTo(t, echo(t), delay).Addr())
	begin := time.Now()
	ask(t, conn, "hello")
	assert.GreaterOrEqual(t, time.Since(begin), 2*delay)
}

// pipes is a network in memory, for bubbles: what is sent to it is accepted.
type pipes chan net.Conn

// Accept implements net.Listener.
func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

// Close implements net.Listener.
func (p pipes) Close() error {
	close(p)
	return nil
}

// Addr implements net.Listener.
func (p pipes) Addr() net.Addr { return nil }

// connect returns the client's end of a new connection.
func (p pipes) connect() net.Conn {
	client, accepted := net.Pipe()
	p <- accepted
	return client
}

// In a bubble: once nothing moves any more, nothing has reached the server before Release, and everything afterwards.
func TestHoldBreaksConnectionsAndKeepsNewOnesFromTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		servers, listener := make(chan net.Conn, 2), make(pipes)
		r := newRelay(listener, func() (net.Conn, error) {
			relayed, server := net.Pipe()
			servers <- server
			return relayed, nil
		}, 0)
		old := listener.connect()
		go func() { _, _ = io.WriteString(old, "hello") }()
		got := make([]byte, 5)
		_, err := io.ReadFull(<-servers, got)
		require.NoError(t, err)

		r.Hold()
		_, err = old.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		next := listener.connect()
		written := make(chan struct{})
		go func() {
			defer close(written)
			_, _ = io.WriteString(next, "later")
		}()
		synctest.Wait()
		assert.Empty(t, servers, "the server was connected to")
		sent, _ := r.Bytes()
		assert.EqualValues(t, 5, sent)

		r.Release()
		_, err = io.ReadFull(<-servers, got)
		require.NoError(t, err)
		assert.Equal(t, "later", string(got))
		<-written
		require.NoError(t, r.Close())
	})
}

func TestRelayClosesWhileItHolds(t *testing.T) {
	r, err := NewRelay(echo(t), time.Millisecond)
	require.NoError(t, err)
	r.Hold()
	conn := dial(t, r.Addr())
	require.NoError(t, r.Close())
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
}

// In a bubble: each parcel is held back by the same time, and they do not wait for each other.
func TestDelayAddsLatencyAndTakesNoBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, write := io.Pipe()
		read, out := io.Pipe()
		ended := make(chan error)
		go func() { ended <- delayed(out, in, 10*time.Millisecond) }()
		begin := time.Now()
		go func() {
			for range 5 {
				_, _ = write.Write([]byte("x"))
				time.Sleep(time.Millisecond)
			}
			_ = write.Close()
		}()
		for i := range 5 {
			_, err := io.ReadFull(read, make([]byte, 1))
			require.NoError(t, err)
			assert.Equal(t, time.Duration(10+i)*time.Millisecond, time.Since(begin))
		}
		require.NoError(t, <-ended)
	})
}

func TestScopeGivesBackInReverse(t *testing.T) {
	var s Scope
	var order []int
	for i := range 3 {
		s.Defer(func() error {
			order = append(order, i)
			return errors.New("x")
		})
	}
	require.Error(t, s.Close())
	assert.Equal(t, []int{2, 1, 0}, order)
	require.NoError(t, s.Close(), "nothing is left")
}

func TestDescribeSaysWhatItCan(t *testing.T) {
	m := Describe(context.Background(), t.TempDir())
	assert.Positive(t, m.Processors)
	assert.NotEmpty(t, m.Go)
}
