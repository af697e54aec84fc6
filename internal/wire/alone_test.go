package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
)

// suspect is a Kind whose calls have to be alone while it says so.
type suspect struct {
	alone bool
	ended []string
}

func (k *suspect) Alone() bool { return k.alone }

func (k *suspect) Ended(alone bool, err error) {
	k.ended = append(k.ended, fmt.Sprint(alone, " ", err != nil))
	k.alone = k.alone && err != nil // it is answered
}

// track is an open link with calls on it.
type track struct {
	t  *testing.T
	s  *Session
	tp *tape

	read  func() // what there is
	calls map[string]*Call
}

func newTrack(t *testing.T) *track {
	l := &track{t: t, calls: make(map[string]*Call)}
	s, conn, tp := opened(t, Options{})
	l.s, l.tp = s, tp
	l.read = func() { nothingMore(t, conn) }
	return l
}

func existsCall(path string, kind Kind) *Call {
	return &Call{Op: opExists, Path: path, Body: &jute.PathWatchRequest{Path: path}, Kind: kind, Written: make(chan struct{})}
}

// send hands in reads of the paths, in one go, of a kind if it is not nil.
func (l *track) send(kind Kind, paths ...string) {
	calls := make([]*Call, len(paths))
	for i, path := range paths {
		calls[i] = existsCall(path, kind)
	}
	l.hand(calls...)
}

func (l *track) hand(calls ...*Call) {
	for _, c := range calls {
		l.calls[c.Path] = c
	}
	require.NoError(l.t, l.s.Send(calls...))
}

// answer has the server answer calls.
func (l *track) answer(paths ...string) {
	for _, path := range paths {
		l.tp.feed(replyFrame(l.calls[path].xid, 9, 0, enc{}.aStat()))
	}
	l.read()
}

// expect asserts which calls were written since the last time, in order.
func (l *track) expect(paths ...string) {
	l.t.Helper()
	var got []string
	for _, frame := range l.tp.written(l.t) {
		got = append(got, requestPath(frame))
	}
	assert.Equal(l.t, paths, got)
}

// over returns whether a call is over, and its error.
func (l *track) over(path string) (bool, error) {
	now := make(chan struct{})
	close(now)
	return l.calls[path].Wait(now)
}

func TestCallsWithoutASuspectAreNotHeldBack(t *testing.T) {
	l, k := newTrack(t), &suspect{}
	l.send(nil, "/a")
	l.send(k, "/b", "/c")
	l.send(nil, "/d")
	l.expect("/a", "/b", "/c", "/d")
	l.answer("/a", "/b", "/c", "/d")
	assert.Equal(t, []string{"false false", "false false"}, k.ended)
}

func TestSuspectIsAlone(t *testing.T) {
	l, k := newTrack(t), &suspect{alone: true}
	l.send(nil, "/a", "/b")
	l.send(k, "/suspect")
	l.send(nil, "/c")
	l.send(nil, "/d")
	l.expect("/a", "/b")
	l.answer("/a")
	l.expect()
	l.answer("/b")
	l.expect("/suspect")
	l.send(nil, "/e")
	l.expect()
	l.answer("/suspect")
	l.expect("/c", "/d", "/e")
	assert.Equal(t, []string{"true false"}, k.ended)
	l.send(nil, "/f")
	l.expect("/f")
	l.answer("/c", "/d", "/e", "/f")
	for path := range l.calls {
		over, err := l.over(path)
		assert.True(t, over)
		assert.NoError(t, err)
	}
}

// Several suspects go one after the other until the first is answered. Then there is no reason any more.
func TestSuspectsThatWaitWhenTheFirstIsAnswered(t *testing.T) {
	l, k := newTrack(t), &suspect{alone: true}
	l.send(k, "/s1")
	l.send(k, "/s2", "/a")
	l.send(k, "/s3")
	l.expect("/s1")
	l.answer("/s1")
	l.expect("/s2", "/a", "/s3")
	l.answer("/s2", "/a", "/s3")
	assert.Equal(t, []string{"true false", "false false", "false false", "false false"}, k.ended)
}

// What is handed in together with a suspect follows behind it.
func TestSuspectFirstOfSeveral(t *testing.T) {
	l, k := newTrack(t), &suspect{alone: true}
	l.hand(existsCall("/s", k), existsCall("/list", nil))
	l.expect("/s")
	l.answer("/s")
	l.expect("/list")
}

func TestPingsPassASuspect(t *testing.T) {
	l, k := newTrack(t), &suspect{alone: true}
	_, err := l.s.current.Load().Write(pingFrame)
	require.NoError(t, err)
	l.tp.written(t)
	l.send(k, "/s")
	l.expect("/s")
	l.send(nil, "/a")
	_, err = l.s.current.Load().Write(pingFrame)
	require.NoError(t, err)
	assert.Equal(t, [][]byte{pingFrame}, l.tp.written(t))
}

func TestLinkEndsWithASuspect(t *testing.T) {
	for name, cause := range map[string]error{"closed": io.EOF, "reset": errors.New("connection reset")} {
		t.Run(name, func(t *testing.T) {
			l, k := newTrack(t), &suspect{alone: true}
			l.send(k, "/s")
			held := existsCall("/a", nil)
			l.hand(held)
			l.tp.hangUp(cause)
			_, err := l.s.current.Load().Read(make([]byte, 1))
			require.ErrorIs(t, err, cause)
			over, err := l.over("/s")
			assert.True(t, over)
			assert.ErrorIs(t, err, ErrUnanswered)
			assert.ErrorIs(t, err, ErrHungUp)
			assert.ErrorIs(t, err, cause)
			over, err = l.over("/a")
			assert.True(t, over)
			assert.ErrorIs(t, err, ErrNotSent, "it was held back")
			<-held.Written
			assert.Equal(t, []string{"true true"}, k.ended)
		})
	}
}

func TestLinkThatDocentBreaksIsNotHungUp(t *testing.T) {
	l := newTrack(t)
	l.send(&suspect{}, "/s")
	l.s.Break(errTest)
	_, err := l.over("/s")
	assert.ErrorIs(t, err, ErrUnanswered)
	assert.NotErrorIs(t, err, ErrHungUp)
}

// A call that is given up while it is held back is not sent. If it was a suspect, the others need not wait for it.
func TestCallThatIsHeldBackIsTakenBack(t *testing.T) {
	l, k := newTrack(t), &suspect{alone: true}
	l.send(nil, "/a")
	l.send(k, "/s")
	l.send(nil, "/b")
	given := existsCall("/c", nil)
	given.Written = make(chan struct{})
	l.hand(given, existsCall("/d", nil))
	l.expect("/a")
	for _, path := range []string{"/c", "/s"} {
		over, err := l.over(path)
		assert.True(t, over)
		assert.ErrorIs(t, err, ErrNotSent)
		assert.True(t, closed(l.calls[path].Written), "it never will be")
	}
	<-given.Written
	l.expect("/b", "/d")
	assert.Equal(t, []string{"false true"}, k.ended)
}

// A suspect that is left after it was sent is still waited for.
func TestSuspectThatIsLeft(t *testing.T) {
	l, k := newTrack(t), &suspect{alone: true}
	l.send(k, "/s")
	l.expect("/s")
	over, _ := l.over("/s")
	assert.False(t, over)
	l.send(nil, "/a")
	l.expect()
	l.answer("/s")
	l.expect("/a")
}

func TestHeldCallsAreNotWrittenAfterTheEndOfTheSession(t *testing.T) {
	l, k := newTrack(t), &suspect{alone: true}
	l.send(k, "/s")
	l.send(nil, "/a")
	_, err := l.s.current.Load().Write(requestFrame(1, opClose, nil))
	require.NoError(t, err)
	l.tp.written(t)
	l.answer("/s")
	l.expect()
	l.s.Fence(errTest)
	_, err = l.over("/a")
	assert.ErrorIs(t, err, ErrNotSent)
}

// A server that does not answer a suspect holds the others back for a session timeout, and no longer.
func TestSuspectThatIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, k := newTrack(t), &suspect{alone: true}
		begun := time.Now()
		l.send(k, "/s")
		l.send(nil, "/a")
		for path, want := range map[string]error{"/s": ErrNoReply, "/a": ErrNotSent} {
			_, err := l.calls[path].Wait(nil)
			assert.ErrorIs(t, err, want)
		}
		assert.Equal(t, testTimeout, time.Since(begun))
		assert.Equal(t, []string{"true true"}, k.ended)
	})
}

// always is a Kind whose calls always have to be alone.
type always struct{}

func (always) Alone() bool       { return true }
func (always) Ended(bool, error) {}

// watchful is a server that answers each request a moment later and notes what comes while a suspect is unanswered. It runs in a bubble.
type watchful struct {
	mini
	together []string
}

// serve runs in a bubble.
func (w *watchful) serve(conn net.Conn) {
	defer conn.Close()
	frame, err := readFrame(conn)
	if err != nil {
		return
	}
	_, _ = conn.Write(w.greet(conn, parseConnectRequest(frame[prefixLen:])))
	frames := make(chan []byte, 1000)
	w.wg.Go(func() {
		defer close(frames)
		for {
			frame, err := readFrame(conn)
			if err != nil {
				return
			}
			frames <- frame
		}
	})
	for frame := range frames {
		time.Sleep(time.Millisecond)
		if path := requestPath(frame); strings.HasPrefix(path, "/suspect") && len(frames) > 0 {
			w.together = append(w.together, path)
		}
		if _, err := conn.Write(w.answer(frame)); err != nil {
			return
		}
	}
}

// Many goroutines hand calls in, every third a suspect, and some give up: all calls end, and suspects are alone.
func TestSuspectsAmongManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, s := &watchful{}, NewSession(Options{})
		d := drive(t, s, func(string) net.Conn {
			client, server := net.Pipe()
			w.wg.Go(func() { w.serve(server) })
			return client
		}, "watchful")
		d.until(zk.StateHasSession)
		var callers sync.WaitGroup
		for i := range 300 {
			callers.Go(func() {
				time.Sleep(time.Duration(i%7) * time.Millisecond)
				c := existsCall(fmt.Sprint("/n", i), nil)
				if i%3 == 0 {
					c = existsCall(fmt.Sprint("/suspect", i), always{})
				}
				assert.NoError(t, s.Send(c))
				gaveUp := make(chan struct{})
				if i%11 == 0 {
					time.AfterFunc(time.Duration(i)*time.Millisecond/2, func() { close(gaveUp) })
				}
				if over, err := c.Wait(gaveUp); !over {
					<-c.left
				} else if i%11 != 0 {
					assert.NoError(t, err)
				}
			})
		}
		callers.Wait()
		synctest.Wait() // the last one is over before others are let go
		assert.Empty(t, w.together)
		assert.False(t, s.current.Load().writer.holding.Load())
		d.Close()
		s.Fence(errTest)
		w.stop()
		time.Sleep(5 * time.Second) // the driver's last timers
	})
}
