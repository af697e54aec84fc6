package lock_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// mutex is what the scripts below are played with: docent's Mutex, and go-zookeeper's Lock for comparison. Each call
// locks or unlocks the one lock on path.
type mutex struct {
	lock, unlock func() error
	session      func() int64
}

// docentMutex is ours, on a client of that name. It runs in a bubble.
func docentMutex(w *world, name string) mutex {
	cli := w.Connect(name)
	m := lock.New(cli, path)
	var held *lock.Held
	return mutex{
		lock: func() (err error) {
			held, err = m.Lock(context.Background())
			return err
		},
		unlock:  func() error { return held.Unlock(context.Background()) },
		session: func() int64 { return w.session(cli) },
	}
}

// zkMutex is go-zookeeper's. It runs in a bubble.
func zkMutex(w *world, name string) mutex {
	w.t.Helper()
	conn, events, err := zk.Connect(w.Addrs(), timeout, zk.WithDialer(w.Client(name).DialTimeout), zk.WithLogger(silent{}))
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		conn.Close()
		time.Sleep(5 * time.Second) // its goroutines end after Close
	})
	go func() {
		for range events { // it blocks nobody, but drops what is not read
		}
	}()
	m := zk.NewLock(conn, path, zk.WorldACL(zk.PermAll))
	return mutex{
		lock: func() (err error) {
			defer func() {
				if r := recover(); r != nil {
					err = fmt.Errorf("panic: %v", r)
				}
			}()
			return m.Lock()
		},
		unlock:  m.Unlock,
		session: conn.SessionID,
	}
}

type silent struct{}

func (silent) Printf(string, ...any) {}

// compare plays a script with both and hands the outcomes to the judges.
func compare(t *testing.T, script func(w *world, m mutex) error, ours, theirs func(t *testing.T, w *world, err error)) {
	t.Helper()
	t.Run("docent", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) { ours(t, w, script(w, docentMutex(w, "a"))) })
	})
	t.Run("zk.Lock", func(t *testing.T) {
		bubble(t, func(t *testing.T, w *world) { theirs(t, w, script(w, zkMutex(w, "a"))) })
	})
}

// In a bubble, the session of the holder is lost. It unlocks, as it should, and wants the lock again.
func TestLockAgainAfterALostSession(t *testing.T) {
	compare(t, func(w *world, m mutex) error {
		require.NoError(w.t, m.lock())
		w.ExpireSession(m.session())
		time.Sleep(timeout)
		unlocked := m.unlock()
		time.Sleep(timeout)
		w.t.Logf("unlock: %v", unlocked)
		assert.Error(w.t, unlocked, "it was not held to the end")
		return m.lock()
	}, func(t *testing.T, w *world, err error) {
		require.NoError(t, err)
		assert.Len(t, w.List(path), 1)
	}, func(t *testing.T, w *world, err error) {
		assert.ErrorIs(t, err, zk.ErrDeadlock, "and so it goes on for ever")
		assert.Empty(t, w.List(path), "although nobody holds it")
	})
}

// In a bubble, the connection breaks between the create and the list.
func TestConnectionBreaksWhileTheQueueIsListed(t *testing.T) {
	compare(t, func(w *world, m mutex) error {
		require.NoError(w.t, m.lock())
		require.NoError(w.t, m.unlock())
		cut := false
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpGetChildren2 && !cut {
				cut = true
				return zktest.Cut
			}
			return zktest.Pass
		})
		err := m.lock()
		if err == nil {
			err = m.unlock()
		}
		time.Sleep(10 * timeout)
		return err
	}, func(t *testing.T, w *world, err error) {
		require.NoError(t, err)
		assert.Empty(t, w.List(path))
	}, func(t *testing.T, w *world, err error) {
		require.Error(t, err)
		assert.Len(t, w.List(path), 1, "a node that nobody owns up to, in a session that lives on")
	})
}

// In a bubble, the node is created, its reply is lost, and the servers are away for a while.
func TestReplyToTheCreateIsLost(t *testing.T) {
	for _, outage := range []time.Duration{0, 300 * time.Millisecond, 2500 * time.Millisecond} {
		t.Run(outage.String(), func(t *testing.T) {
			compare(t, func(w *world, m mutex) error {
				require.NoError(w.t, m.lock())
				require.NoError(w.t, m.unlock())
				w.loseCreate(outage)
				err := m.lock()
				assert.LessOrEqual(w.t, len(w.List(path)), 1)
				if err == nil {
					err = m.unlock()
				}
				time.Sleep(10 * timeout)
				return err
			}, func(t *testing.T, w *world, err error) {
				require.NoError(t, err)
				assert.Empty(t, w.List(path))
			}, func(t *testing.T, w *world, err error) {
				if outage < time.Second { // it may look for its node before it is connected again, and give up
					if err == nil {
						assert.Empty(t, w.List(path))
					}
					return
				}
				require.Error(t, err)
				assert.Len(t, w.List(path), 1, "its node stays")
			})
		})
	}
}

// loseCreate cuts the connection instead of sending the reply to the next create, and refuses new ones for a while. Each
// of then happens before the client can be back.
func (w *world) loseCreate(outage time.Duration, then ...func()) {
	lost := false
	w.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if lost || f.Stage != zktest.Reply || f.Op != zktest.OpCreate2 && f.Op != zktest.OpCreate {
			return zktest.Pass
		}
		lost = true
		for _, f := range then {
			f()
		}
		if outage > 0 {
			w.Refuse()
			time.AfterFunc(outage, func() { assert.NoError(w.t, w.Accept()) })
		}
		return zktest.Cut
	})
}

// A sibling whose name looks protected and is not.
func TestReplyToTheCreateIsLostBesideAForgedName(t *testing.T) {
	compare(t, func(w *world, m mutex) error {
		require.NoError(w.t, m.lock())
		require.NoError(w.t, m.unlock())
		w.loseCreate(0, func() {
			_, err := w.Create(path+"/_c_x", nil, zktest.Persistent) // listed first: newer than the lost one
			assert.NoError(w.t, err)
		})
		return m.lock()
	}, func(t *testing.T, w *world, err error) {
		require.NoError(t, err)
		assert.Len(t, w.List(path), 2)
	}, func(t *testing.T, _ *world, err error) {
		require.Error(t, err)
		if !errors.Is(err, zk.ErrNoServer) { // the driver's answer when the look for the node comes ahead of its reconnect
			assert.ErrorContains(t, err, "panic", "slice bounds out of range, in the caller's goroutine")
		}
	})
}

// The reply is lost and the session with it: the node of the dead session is not adopted.
func TestReplyToTheCreateIsLostWithTheSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		session := w.session(cli)
		m := lock.New(cli, path)
		w.prepared(m)
		var heal func()
		w.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreate2 && heal == nil {
				heal = w.Silence("a")
			}
			return zktest.Pass
		})
		c := start(t.Context(), m)
		for ch := range cli.States(t.Context()) {
			if ch.State == framework.Lost {
				break
			}
		}
		require.Len(t, w.List(path), 1, "the ghost")
		heal()
		r := <-c
		require.NoError(t, r.err)
		_, stat, err := w.Get(r.held.Path())
		require.NoError(t, err)
		assert.NotEqual(t, session, stat.EphemeralOwner)
		time.Sleep(timeout)
		assert.Len(t, w.List(path), 1)
		alive(t, r.held)
	})
}
