package framework_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// uselessServer is a server that answers handshakes, and perhaps pings, and is good for nothing else.
type uselessServer struct {
	frame func(f zktest.Frame) zktest.Verdict
	idle  bool // a client notices it without an operation
	word  string
}

const closedForSASL zktest.ErrCode = -124

// uselessServers are the kinds of them.
var uselessServers = map[string]uselessServer{
	"demands authentication": {func(f zktest.Frame) zktest.Verdict {
		switch {
		case f.Stage == zktest.Request && !keeps(f):
			return zktest.AnswerWith(closedForSASL)
		case f.Stage == zktest.Reply && f.Err == closedForSASL:
			return zktest.CutAfter
		}
		return zktest.Pass
	}, false, "-124"},
	"refuses an identity": {func(f zktest.Frame) zktest.Verdict {
		switch {
		case f.Stage == zktest.Request && f.Op == zktest.OpAuth:
			return zktest.AnswerWith(zktest.ErrAuthFailed)
		case f.Stage == zktest.Request && !keeps(f):
			return zktest.Drop
		}
		return zktest.Pass
	}, true, `identity of scheme "digest"`},
	"answers pings only": {func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request && !keeps(f) {
			return zktest.Drop
		}
		return zktest.Pass
	}, false, "deadline exceeded"},
	"answers handshakes only": {func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request {
			return zktest.Drop
		}
		return zktest.Pass
	}, true, "the connection is"},
	"closes the connection over everything": {func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request {
			return zktest.Cut
		}
		return zktest.Pass
	}, true, "the connection is"},
	"is too busy": {func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request && !keeps(f) {
			return zktest.AnswerWith(-127)
		}
		return zktest.Pass
	}, false, "-127"},
}

// keeps reports whether a frame is a ping or an identity.
func keeps(f zktest.Frame) bool { return f.Op == zktest.OpPing || f.Op == zktest.OpAuth }

// connecting reports whether a frame belongs to the beginning or the end of a connection or a session.
func connecting(f zktest.Frame) bool {
	return f.Op == zktest.OpConnect || f.Op == zktest.OpCloseSession
}

// A client whose server answers no operation is not ready, a session timeout after the first that was wanted, or after it has
// found out by itself. The log has one clear line and few others, the client sends one exists per session timeout,
// and a restart of the process is not advised. When operations are answered again the client is ready, and asks nothing more.
func TestServersThatAnswerNoOperation(t *testing.T) {
	for name, kind := range uselessServers {
		for _, asks := range []bool{true, false} {
			if !asks && !kind.idle {
				continue
			}
			t.Run(name+map[bool]string{true: ", asked", false: ", not asked"}[asks], func(t *testing.T) {
				bubble(t, func(t *testing.T) { playUseless(t, kind, asks) })
			})
		}
	}
}

// playUseless runs in a bubble.
func playUseless(t *testing.T, kind uselessServer, asks bool) {
	s := startServer(t, zktest.Config{})
	log := &collector{jam: jam{level: slog.LevelInfo, armed: new(atomic.Bool)}}
	cli := newClient(t, s, func(c *framework.Config) {
		c.Logger = slog.New(log)
		c.Auth = []framework.Auth{{Scheme: "digest", Credentials: []byte("user:s3cr3t")}}
	})
	require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
	_, err := cli.Get(t.Context(), "/")
	require.NoError(t, err)
	time.Sleep(30 * sessionTimeout)
	require.True(t, cli.Health().Ready())
	require.Zero(t, s.Counts().Requests[zktest.OpExists], "all is well")

	var handshakes, exists atomic.Int32
	heal := s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		switch {
		case f.Stage == zktest.Request && f.Op == zktest.OpConnect:
			handshakes.Add(1)
		case f.Stage == zktest.Request && f.Op == zktest.OpExists:
			exists.Add(1)
		}
		if connecting(f) {
			return zktest.Pass
		}
		return kind.frame(f)
	})
	s.Cut(zktest.AllConns())
	before := len(log.all())
	stop := make(chan struct{})
	if asks {
		go askOften(cli, stop)
	}
	took, h := unreadyAfter(t, cli, time.Minute)
	assert.LessOrEqual(t, took, 2*sessionTimeout)
	assert.Contains(t, h.String(), "no operation has been answered for 4")
	const while = time.Minute
	for range 60 {
		time.Sleep(while / 60)
		assert.False(t, cli.Health().Ready())
		assert.True(t, cli.Health().Live())
	}
	assert.Contains(t, cli.Health().String(), kind.word)
	assert.LessOrEqual(t, int(exists.Load()), int(while/sessionTimeout)+3, "one exists per session timeout")
	assert.LessOrEqual(t, int(handshakes.Load()), int(13*while/sessionTimeout), "no storm of connections")
	lines := log.all()[before:]
	assert.Len(t, slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !strings.Contains(line, "does not answer operations") }), 1)
	assert.Less(t, len(lines), 40, "no storm of lines:\n%s", strings.Join(lines, "\n"))

	heal()
	s.Cut(zktest.AllConns())
	time.Sleep(2 * sessionTimeout)
	assert.True(t, cli.Health().Ready(), cli.Health().String())
	assert.Contains(t, strings.Join(log.all(), "\n"), "answers operations again")
	close(stop)
	time.Sleep(sessionTimeout)
	n := s.Counts().Requests[zktest.OpExists]
	time.Sleep(10 * time.Minute)
	assert.Equal(t, n, s.Counts().Requests[zktest.OpExists], "all is well")
	require.NoError(t, cli.Close())
}

// askOften reads, with a deadline for each read, in a bubble.
func askOften(cli *framework.Client, stop <-chan struct{}) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := cli.Get(ctx, "/")
		cancel()
		if errors.Is(err, framework.ErrClosed) {
			return
		}
		select {
		case <-stop:
			return
		case <-time.After(time.Second):
		}
	}
}

// One operation that is given up says nothing of a server that answers the others, or that one later.
func TestHealthOverOperationsThatAreGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		defer s.Delay(zktest.AllConns(), 100*time.Millisecond)()
		for range 100 {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err := cli.Get(ctx, "/")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()
			time.Sleep(sessionTimeout)
			require.True(t, cli.Health().Ready(), cli.Health().String())
		}
		assert.Zero(t, s.Counts().Requests[zktest.OpExists], "each was answered, though too late")
	})
}

// An operation that takes its time, of a client that asks for nothing else, gets an exists for company, and the client stays ready.
func TestOneOperationThatIsNotAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpGetData {
				return zktest.Drop
			}
			return zktest.Pass
		})()
		go func() { _, _ = sessionOf(t, cli).Get(t.Context(), "/") }()
		synctest.Wait()
		named := 0
		for range 1000 {
			time.Sleep(17 * time.Millisecond)
			h := cli.HealthWithin(framework.HealthBounds{Silence: sessionTimeout / 2})
			if !h.Ready() {
				require.Contains(t, h.String(), "get / has not been answered")
				named++
			}
		}
		assert.Positive(t, named)
		assert.True(t, cli.HealthWithin(framework.HealthBounds{Silence: sessionTimeout / 2}).Ready(), "it has returned")
		assert.InDelta(t, 17/sessionTimeout.Seconds(), float64(s.Counts().Requests[zktest.OpExists]), 2)
	})
}

// A code that names what is wrong with a write is an answer: the client stays ready and sends no request of its own.
func TestHealthOverWritesThatAreRefusedByCode(t *testing.T) {
	for _, code := range []zktest.ErrCode{-6, -120, -125} {
		bubble(t, func(t *testing.T) {
			s := startServer(t, zktest.Config{})
			cli := connected(t, s)
			defer s.OnFrame(func(f zktest.Frame) zktest.Verdict {
				if f.Stage == zktest.Request && f.Op == zktest.OpSetData {
					return zktest.AnswerWith(code)
				}
				return zktest.Pass
			})()
			for range 500 {
				_, err := cli.Set(t.Context(), "/", nil, framework.AnyVersion)
				require.Error(t, err)
				time.Sleep(29 * time.Millisecond)
				require.True(t, cli.Health().Ready(), cli.Health().String())
			}
			assert.Zero(t, s.Counts().Requests[zktest.OpExists], "code %d", code)
		})
	}
}

// Operations whose ctx has ended before they are sent leave a client ready whose server answers, and so do breaks in between.
func TestHealthOverOperationsThatAreNotSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range 15_000 {
			_, err := cli.Get(ended, "/")
			require.Error(t, err)
			time.Sleep(7 * time.Millisecond)
			require.True(t, cli.Health().Ready(), cli.Health().String())
			if i%3333 == 1000 {
				s.Cut(zktest.AllConns())
			}
		}
		assert.LessOrEqual(t, float64(s.Counts().Requests[zktest.OpExists]), 15_000*0.007/(0.75*sessionTimeout.Seconds())+5)
	})
}

// The exists that follows an operation may be lost with its connection. Another one follows in time to keep the client ready.
func TestHealthWhenTheExistsIsLostWithItsConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		for i := range 10 {
			time.Sleep(time.Minute + time.Duration(i)*37*time.Millisecond)
			heal := s.Blackhole(zktest.AllConns(), zktest.ToServer)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err := cli.Get(ctx, "/")
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			time.Sleep(sessionTimeout / 4)
			heal()
			s.Cut(zktest.AllConns())
			for range 500 {
				time.Sleep(17 * time.Millisecond)
				require.True(t, cli.Health().Ready(), cli.Health().String())
			}
		}
	})
}
