package framework_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/internal/sessionfile"
	"github.com/docent-zk/docent/sasl"
	"github.com/docent-zk/docent/zktest"
)

// keptIn has the client keep its session in a file.
func keptIn(path string) configure {
	return func(c *framework.Config) { c.SessionFile = path }
}

func sessionFileIn(t *testing.T) string { return filepath.Join(t.TempDir(), "session") }

// dead leaves a session in a file, with the node /left, as a process does that has been killed. It runs in a bubble.
func dead(t *testing.T, s *zktest.Server, path string) (r sessionfile.Record) {
	t.Helper()
	conn, err := s.Client("dead").Dial(t.Context(), "tcp", s.Addrs()[0])
	require.NoError(t, err)
	var e jute.Encoder
	mark := e.BeginFrame()
	(&jute.ConnectRequest{TimeOut: int32(sessionTimeout.Milliseconds()), Passwd: make([]byte, 16)}).Encode(&e)
	e.EndFrame(mark)
	_, err = conn.Write(e.Bytes())
	require.NoError(t, err)
	var size [4]byte
	_, err = io.ReadFull(conn, size[:])
	require.NoError(t, err)
	answer := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err = io.ReadFull(conn, answer)
	require.NoError(t, err)
	var resp jute.ConnectResponse
	d := jute.NewDecoder(answer)
	resp.Decode(d)
	require.NoError(t, d.Err())
	r = sessionfile.Record{ID: resp.SessionID, Password: bytes.Clone(resp.Passwd), Timeout: time.Duration(resp.TimeOut) * time.Millisecond}
	_, err = s.CreateFor(r.ID, "/left", nil, zktest.Ephemeral)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	leaveIn(t, path, r)
	time.Sleep(sessionTimeout / 4)
	return r
}

// leaveIn writes a session to a file whose client is gone.
func leaveIn(t *testing.T, path string, r sessionfile.Record) {
	t.Helper()
	f, err := sessionfile.Open(path)
	require.NoError(t, err)
	require.NoError(t, f.Write(r))
	require.NoError(t, f.Close())
}

// inFile is the session in a file that no client has.
func inFile(t *testing.T, path string) int64 {
	t.Helper()
	f, err := sessionfile.Open(path)
	require.NoError(t, err)
	defer f.Close()
	r, err := f.Read()
	if errors.Is(err, sessionfile.ErrEmpty) {
		return 0
	}
	require.NoError(t, err)
	return r.ID
}

// ledger lists the handshakes of clients and the requests that close sessions, as they are answered.
type ledger struct {
	mu    sync.Mutex
	lines []string
}

func watchSessions(s *zktest.Server) *ledger {
	l := &ledger{}
	s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Reply && (f.Op == zktest.OpConnect || f.Op == zktest.OpCloseSession) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.lines = append(l.lines, fmt.Sprintf("%v %#x %d", f.Op, f.Conn.Session, f.Err))
		}
		return zktest.Pass
	})
	return l
}

func (l *ledger) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

func TestSessionOfTheProcessBeforeIsClosedFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
		old := dead(t, s, path)
		saw := watchSessions(s)
		begun := time.Now()
		cli := connected(t, s, keptIn(path))
		assert.False(t, s.Exists("/left"))
		assert.Less(t, time.Since(begun), 100*time.Millisecond, "a few round trips")
		session := sessionOf(t, cli)
		assert.Equal(t, []string{
			fmt.Sprintf("%v %#x 0", zktest.OpConnect, old.ID), fmt.Sprintf("%v %#x 0", zktest.OpCloseSession, old.ID),
			fmt.Sprintf("%v %#x 0", zktest.OpConnect, session.ID()),
		}, saw.all())
		assert.EqualValues(t, 1, session.Epoch())
		assert.True(t, session.Former(old.ID))
		assert.False(t, session.Former(session.ID()))
		assert.Equal(t, []framework.State{framework.Connecting, framework.Connected}, statesOf(cli.History()))
	})
}

func statesOf(changes []framework.StateChange) (states []framework.State) {
	for _, ch := range changes {
		states = append(states, ch.State)
	}
	return states
}

// unclosable are sessions that cannot be closed, and what has become of them. The functions run in a bubble.
var unclosable = map[string]struct {
	before func(t *testing.T, s *zktest.Server, path string, old sessionfile.Record)
	stays  bool // the old session lives on
}{
	"expired": {before: func(t *testing.T, s *zktest.Server, _ string, old sessionfile.Record) {
		require.True(t, s.ExpireSession(old.ID))
		time.Sleep(time.Millisecond)
	}},
	"wrong password": {stays: true, before: func(t *testing.T, s *zktest.Server, path string, old sessionfile.Record) {
		old.Password = []byte("another s3cr3t")
		leaveIn(t, path, old)
	}},
	"unknown": {stays: true, before: func(t *testing.T, s *zktest.Server, path string, old sessionfile.Record) {
		old.ID++
		leaveIn(t, path, old)
	}},
	"damaged": {stays: true, before: func(t *testing.T, s *zktest.Server, path string, old sessionfile.Record) {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		content[30] ^= 1
		require.NoError(t, os.WriteFile(path, content, 0o600))
	}},
	"empty": {stays: true, before: func(t *testing.T, s *zktest.Server, path string, old sessionfile.Record) {
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}},
	"of a server that renews sessions": {before: func(t *testing.T, s *zktest.Server, _ string, old sessionfile.Record) {
		require.True(t, s.ExpireSession(old.ID))
		s.RenewSessions()
		time.Sleep(time.Millisecond)
	}},
}

// Whatever is wrong with the old session, the client goes on with a new one.
func TestSessionsThatCannotBeClosed(t *testing.T) {
	for name, c := range unclosable {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
				old := dead(t, s, path)
				c.before(t, s, path, old)
				begun := time.Now()
				cli := connected(t, s, keptIn(path))
				assert.Less(t, time.Since(begun), 100*time.Millisecond)
				assert.Equal(t, c.stays, s.Exists("/left"))
				assert.NotEqual(t, old.ID, sessionOf(t, cli).ID())
				require.NoError(t, cli.Close())
				assert.Zero(t, inFile(t, path))
			})
		})
	}
}

// The request is repeated until its reply comes, or until a server says that the session is over.
func TestReplyToTheCloseIsLost(t *testing.T) {
	for name, hook := range map[string]zktest.Rule{
		"request": {Stage: zktest.Request, Op: zktest.OpCloseSession, Times: 1},
		"reply":   {Stage: zktest.Reply, Op: zktest.OpCloseSession, Times: 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
				dead(t, s, path)
				fault := s.Inject(hook, zktest.Cut)
				begun := time.Now()
				connected(t, s, keptIn(path))
				assert.Equal(t, 1, fault.Fired())
				assert.False(t, s.Exists("/left"))
				assert.Less(t, time.Since(begun), sessionTimeout/4)
			})
		})
	}
}

// Servers that resume the session and do not close it hold the client up for the timeout of that session, and not for longer.
func TestCloseThatIsNeverAnswered(t *testing.T) {
	for name, verdict := range map[string]zktest.Verdict{"cut": zktest.Cut, "dropped": zktest.Drop, "refused": zktest.AnswerWith(zktest.ErrSystem)} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
				old := dead(t, s, path)
				fault := s.Inject(zktest.Rule{Op: zktest.OpCloseSession, Conns: zktest.SessionConns(old.ID)}, verdict)
				begun := time.Now()
				cli := newClient(t, s, keptIn(path))
				err := cli.WaitConnected(within(t, sessionTimeout*3/4))
				require.ErrorIs(t, err, framework.ErrNotConnected)
				if verdict == zktest.Cut {
					assert.Contains(t, err.Error(), "last attempt: closing the session of the previous process: ")
				}
				require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
				assert.GreaterOrEqual(t, time.Since(begun), sessionTimeout)
				assert.Less(t, time.Since(begun), sessionTimeout*5/4)
				assert.True(t, s.Exists("/left"))
				assert.True(t, sessionOf(t, cli).Former(old.ID), "recipes know its nodes for leftovers")
				assert.Positive(t, fault.Fired())
				assert.Less(t, fault.Fired(), 100)
				time.Sleep(2 * sessionTimeout)
				assert.False(t, s.Exists("/left"), "it has expired")
			})
		})
	}
}

// Servers that accept connections and answer no handshake hold the client up as long.
func TestResumeThatIsNeverAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
		dead(t, s, path)
		fault := s.Inject(zktest.Rule{Op: zktest.OpConnect}, zktest.Drop)
		cli := newClient(t, s, keptIn(path))
		saw := watchSessions(s)
		time.Sleep(sessionTimeout * 9 / 8)
		fault.Remove()
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		assert.Equal(t, []string{fmt.Sprintf("%v %#x 0", zktest.OpConnect, sessionOf(t, cli).ID())}, saw.all(), "a new session at once")
	})
}

// As long as no server accepts a connection, the old session comes first, however long that takes: a session does not expire
// while there is no server.
func TestOldSessionComesFirstBehindAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
		dead(t, s, path)
		s.Stop()
		cli := newClient(t, s, keptIn(path))
		time.Sleep(10 * sessionTimeout)
		require.NoError(t, s.StartEndpoint())
		require.NoError(t, cli.WaitConnected(within(t, time.Minute)))
		assert.False(t, s.Exists("/left"))
	})
}

func TestCloseWhileTheOldSessionIsBeingClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
		old := dead(t, s, path)
		s.Inject(zktest.Rule{Stage: zktest.Request, Op: zktest.OpCloseSession}, zktest.Drop)
		cli := newClient(t, s, keptIn(path))
		time.Sleep(sessionTimeout / 8)
		require.NoError(t, cli.Close())
		assert.Equal(t, old.ID, inFile(t, path), "for the next process")
	})
}

// A session is in the file before anything is sent in it.
func TestSessionIsKeptBeforeItIsUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
		var mu sync.Mutex
		first := map[int64]string{} // what the file held when a session's first request came
		s.OnFrame(func(f zktest.Frame) zktest.Verdict {
			mu.Lock()
			defer mu.Unlock()
			if _, seen := first[f.Conn.Session]; f.Stage == zktest.Request && f.Op != zktest.OpConnect && !seen {
				content, _ := os.ReadFile(path)
				first[f.Conn.Session] = string(content)
			}
			return zktest.Pass
		})
		cli := newClient(t, s, keptIn(path))
		var ids []int64
		for range 3 {
			_, err := cli.Create(t.Context(), "/mine", nil, framework.Ephemeral)
			require.NoError(t, err)
			ids = append(ids, sessionOf(t, cli).ID())
			require.True(t, s.ExpireSession(ids[len(ids)-1]))
			awaitState(t, cli, framework.Lost)
		}
		mu.Lock()
		for _, id := range ids {
			assert.Contains(t, first[id], fmt.Sprintf(`"session":"%#x"`, id))
		}
		mu.Unlock()
	})
}

// Close removes the session from the file when the servers have confirmed that it is over, and else leaves it to the next process.
func TestSessionFileBehindClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
		cli := connected(t, s, keptIn(path))
		require.NoError(t, cli.Close())
		assert.Zero(t, inFile(t, path))

		cli = connected(t, s, keptIn(path))
		id := sessionOf(t, cli).ID()
		s.Blackhole(zktest.AllConns(), zktest.Both)
		require.NoError(t, cli.Close())
		assert.Equal(t, id, inFile(t, path))
	})
}

func TestSessionFileOfAClientThatLives(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
		cli := connected(t, s, keptIn(path))
		session := sessionOf(t, cli)
		cfg := configFor(s)
		cfg.SessionFile = path
		_, err := framework.New(cfg)
		require.ErrorIs(t, err, framework.ErrSessionFileInUse)
		assert.ErrorContains(t, err, path)
		var named *os.PathError
		require.ErrorAs(t, err, &named)
		assert.Equal(t, path, named.Path)
		time.Sleep(2 * sessionTimeout)
		assert.NoError(t, session.Err(), "it keeps its session")
		require.NoError(t, cli.Close())
		connected(t, s, keptIn(path))

		cfg.SessionFile = filepath.Join(path, "below")
		_, err = framework.New(cfg)
		require.ErrorAs(t, err, &named)
		assert.ErrorContains(t, err, "framework.Config.SessionFile: open "+cfg.SessionFile)
	})
}

// The connection on which the old session is closed authenticates as any other.
func TestOldSessionOnServersThatDemandSASL(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, path := startServer(t, zktest.Config{SASLUsers: map[string]string{"orders": "s3cr3t"}, RequireSASL: true}), sessionFileIn(t)
		dead(t, s, path)
		begun := time.Now()
		connected(t, s, keptIn(path), identified(sasl.DigestMD5("orders", "s3cr3t")))
		assert.False(t, s.Exists("/left"))
		assert.Less(t, time.Since(begun), sessionTimeout/4)
	})
}

// The password of a session appears in the file and nowhere else.
func TestPasswordIsNotLogged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
		old := dead(t, s, path)
		var log bytes.Buffer
		fault := s.Inject(zktest.Rule{Stage: zktest.Reply, Op: zktest.OpConnect, Times: 2}, zktest.Cut)
		cli := connected(t, s, keptIn(path), func(c *framework.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		require.Equal(t, 2, fault.Fired())
		text := fmt.Sprint(cli.Info(), cli.Health(), cli.History())
		require.NoError(t, cli.Close())
		text += log.String()
		assert.Contains(t, text, fmt.Sprintf("session=%#x", old.ID))
		for _, secret := range []string{string(old.Password), fmt.Sprintf("%x", old.Password), fmt.Sprint(old.Password), base64.StdEncoding.EncodeToString(old.Password)} {
			assert.NotContains(t, text, secret)
		}
	})
}

// Two clients that follow each other in one process: the second one closes what the first one could not.
func TestOldSessionOfTheSameProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, path := startServer(t, zktest.Config{}), sessionFileIn(t)
		first := connected(t, s, keptIn(path))
		_, err := first.Create(t.Context(), "/left", nil, framework.Ephemeral)
		require.NoError(t, err)
		heal := s.Blackhole(zktest.AllConns(), zktest.Both)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.NoError(t, first.Shutdown(ctx))
		synctest.Wait()
		require.True(t, s.Exists("/left"))
		heal()
		connected(t, s, keptIn(path))
		assert.False(t, s.Exists("/left"))
	})
}
