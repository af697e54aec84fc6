package zktest_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// only returns a hook that gives one verdict on frames of one stage and opcode.
func only(stage zktest.Stage, op zktest.Op, v zktest.Verdict) func(zktest.Frame) zktest.Verdict {
	return func(f zktest.Frame) zktest.Verdict {
		if f.Stage == stage && f.Op == op {
			return v
		}
		return zktest.Pass
	}
}

func TestHooksSeeEveryFrame(t *testing.T) {
	onBoth(t, zktest.Config{Endpoints: 2}, func(w *world) {
		seen := newTraceLog()
		w.srv.OnFrame(func(f zktest.Frame) zktest.Verdict {
			seen.add(fmt.Sprintf("%d %s@%d %v", f.Conn.ID, f.Conn.Client, f.Conn.Endpoint, f))
			return zktest.Pass
		})
		a := w.joinAt("a", 1, time.Minute)
		require.Zero(w, w.ask(a, zktest.OpExists, &jute.PathWatchRequest{Path: "/s", Watch: true})+101)
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/s", "", 2)))
		a.post(zktest.OpCreate, creating("/s", "", 0))
		w.event(a, "Created /s")
		_, _, err := a.answer()
		require.NoError(w, err)
		a.post(zktest.OpMulti, joined{multiItem(zktest.OpDelete, deleting("/s", 7)), jute.EndOfMulti()})
		_, _, err = a.answer()
		require.NoError(w, err)
		a.send(frame(&jute.RequestHeader{Xid: -8, Op: int32(zktest.OpSetWatches)}, rearming(0, nil, []string{"/w"}, nil)))
		_, _, err = a.answer()
		require.NoError(w, err)
		require.Zero(w, w.ask(a, zktest.OpCloseSession, joined{}))
		require.Equal(w, []string{
			"1 a@1 request connect  xid=0 zxid=0x0",
			"1 a@1 reply connect  xid=0 zxid=0x1",
			"1 a@1 request exists /s xid=1 zxid=0x1",
			"1 a@1 reply exists /s xid=1 zxid=0x1: zookeeper: no such node (-101)",
			"1 a@1 request create /s xid=2 zxid=0x1",
			"1 a@1 reply create /s0000000000 xid=2 zxid=0x2",
			"1 a@1 request create /s xid=3 zxid=0x2",
			"1 a@1 event Created /s",
			"1 a@1 reply create /s xid=3 zxid=0x3",
			"1 a@1 request multi /s xid=4 zxid=0x3",
			"1 a@1 reply multi /s xid=4 zxid=0x4: zookeeper: version differs (-103)",
			"1 a@1 request setWatches /w xid=-8 zxid=0x4",
			"1 a@1 reply setWatches /w xid=-8 zxid=0x4",
			"1 a@1 request closeSession  xid=5 zxid=0x4",
			"1 a@1 reply closeSession  xid=5 zxid=0x5",
		}, strings.Split(seen.text(), "\n"))
	})
}

// A reply that is overtaken comes behind the next one, whatever that answers.
func TestRepliesOutOfTurn(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		first := true
		w.srv.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Op == zktest.OpCreate && first {
				first = f.Stage != zktest.Reply
				return zktest.Overtaken
			}
			return zktest.Pass
		})
		a.post(zktest.OpCreate, creating("/late", "", 0))
		a.post(zktest.OpExists, &jute.PathWatchRequest{Path: "/late"})
		sooner, _, err := a.answer()
		require.NoError(w, err)
		later, _, err := a.answer()
		require.NoError(w, err)
		require.Equal(w, sooner.Xid-1, later.Xid)
		w.works(a)
	})
}

func TestVerdictsOnRequests(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		remove := w.srv.OnFrame(only(zktest.Request, zktest.OpCreate, zktest.Drop))
		a.post(zktest.OpCreate, creating("/drop", "", 0))
		w.works(a) // the next request is served, and the first is never answered
		require.False(w, w.srv.Exists("/drop"))
		remove()
		remove()

		remove = w.srv.OnFrame(only(zktest.Request, zktest.OpCreate, zktest.Cut))
		a.post(zktest.OpCreate, creating("/cut", "", 0))
		w.ended(a)
		require.False(w, w.srv.Exists("/cut"))
		remove()

		a = w.resume(a, 0)
		remove = w.srv.OnFrame(only(zktest.Request, zktest.OpCreate, zktest.CutAfter))
		a.post(zktest.OpCreate, creating("/after", "", 0))
		w.ended(a)
		require.True(w, w.srv.Exists("/after"))
		remove()
		w.works(b)
		w.works(w.resume(a, 0))
	})
}

func TestVerdictsOnReplies(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		remove := w.srv.OnFrame(only(zktest.Reply, zktest.OpCreate, zktest.Drop))
		a.post(zktest.OpCreate, creating("/drop", "", 0))
		w.works(a)
		require.True(w, w.srv.Exists("/drop"))
		remove()

		remove = w.srv.OnFrame(only(zktest.Reply, zktest.OpCreate, zktest.Cut))
		a.post(zktest.OpCreate, creating("/cut", "", 0))
		w.ended(a)
		require.True(w, w.srv.Exists("/cut"))
		remove()

		a = w.resume(a, 0)
		remove = w.srv.OnFrame(only(zktest.Reply, zktest.OpCreate, zktest.CutAfter))
		a.post(zktest.OpCreate, creating("/after", "", 0))
		a.post(zktest.OpCreate, creating("/behind", "", 0))
		h, _, err := a.answer()
		require.NoError(w, err)
		require.Zero(w, h.Err)
		w.ended(a)
		remove()
	})
}

// An answer can be an error although the request was committed, and a request can be answered without being processed.
func TestVerdictThatAnswersWithAnError(t *testing.T) {
	const code = zktest.ErrCode(-7)
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		for stage, committed := range map[zktest.Stage]bool{zktest.Request: false, zktest.Reply: true} {
			path := "/" + stage.String()
			remove := w.srv.OnFrame(only(stage, zktest.OpCreate, zktest.AnswerWith(code)))
			a.post(zktest.OpCreate, creating(path, "", 0))
			h, body, err := a.answer()
			require.NoError(w, err)
			require.EqualValues(w, code, h.Err)
			require.Empty(w, body)
			require.Equal(w, committed, w.srv.Exists(path))
			remove()
			w.works(a)
		}
	})
}

func TestVerdictsOnEvents(t *testing.T) {
	for verdict, want := range map[zktest.Verdict]string{zktest.Pass: "event reply", zktest.Drop: "reply", zktest.Cut: "end",
		zktest.CutAfter: "event end", zktest.DelayBy(time.Millisecond): "event reply"} {
		onBoth(t, zktest.Config{}, func(w *world) {
			a := w.join("a")
			require.Zero(w, w.ask(a, zktest.OpAddWatch, &jute.PathInt32Request{Path: "/"}))
			w.srv.OnFrame(func(f zktest.Frame) zktest.Verdict {
				if f.Stage == zktest.Event {
					require.Equal(w, zktest.EventChildrenChanged, f.Event)
					require.Equal(w, "/", f.Path)
					return verdict
				}
				return zktest.Pass
			})
			a.post(zktest.OpCreate, creating("/x", "", 0))
			got := ""
			for {
				h, event, err := a.answer()
				switch {
				case event != "":
					got += "event "
					continue
				case err != nil:
					require.False(w, errors.Is(err, os.ErrDeadlineExceeded))
					got += "end"
				default:
					require.Zero(w, h.Err)
					got += "reply"
				}
				break
			}
			require.Equal(w, want, got)
		})
	}
}

func TestDelayByHoldsOneDirectionOfOneConnection(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		for _, stage := range []zktest.Stage{zktest.Request, zktest.Reply} {
			asked := 0
			remove := w.srv.OnFrame(func(f zktest.Frame) zktest.Verdict {
				if f.Stage == stage && f.Op == zktest.OpGetData && f.Conn.Client == "a" {
					asked++
					return zktest.DelayBy(3 * time.Second)
				}
				return zktest.Pass
			})
			start := time.Now()
			a.post(zktest.OpGetData, root)
			a.post(zktest.OpExists, root)
			a.post(zktest.OpGetData, root)
			a.post(zktest.OpExists, root)
			w.works(b)
			require.InDelta(w, 0, time.Since(start).Seconds(), 0.01)
			took := []float64{}
			for i := range int32(4) {
				h, _, err := a.answer()
				require.NoError(w, err)
				require.Equal(w, a.xid-3+i, h.Xid, "in order")
				took = append(took, time.Since(start).Seconds())
			}
			// Requests are delayed one after the other, replies each from when it was made.
			want := []float64{3, 3, 6, 6}
			if stage == zktest.Reply {
				want = []float64{3, 3, 3, 3}
			}
			require.InDeltaSlice(w, want, took, 0.01, "%v", stage)
			require.Equal(w, 2, asked, "once for each frame")
			remove()
		}
	})
}

func TestLoseReplyCommitsAndCuts(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		remove := w.srv.LoseReply(zktest.OpCreate, 2)
		require.Equal(w, zktest.ErrNoNode, w.ask(a, zktest.OpCreate, creating("/no/parent", "", 0)), "failures do not count")
		for _, path := range []string{"/1", "/2"} {
			a.post(zktest.OpCreate, creating(path, "", 1))
			w.ended(a)
			require.True(w, w.srv.Exists(path))
			a = w.resume(a, 0)
		}
		require.Zero(w, w.ask(a, zktest.OpCreate, creating("/3", "", 0)))
		remove()
		remove = w.srv.LoseReply(zktest.OpDelete, 9)
		remove()
		require.Zero(w, w.ask(a, zktest.OpDelete, deleting("/3", -1)))
	})
}

func TestHooksMayCallTheServer(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		a, b := w.join("a"), w.join("b")
		require.Zero(w, w.ask(b, zktest.OpAddWatch, &jute.PathInt32Request{Path: "/", Value: 1}))
		w.srv.OnFrame(func(f zktest.Frame) zktest.Verdict {
			if f.Stage == zktest.Request && f.Op == zktest.OpCreate {
				_, err := w.srv.Create("/interference", nil, zktest.Persistent)
				require.NoError(w, err)
			}
			if f.Stage == zktest.Reply && f.Op == zktest.OpCreate {
				require.True(w, w.srv.ExpireSession(f.Conn.Session))
			}
			if f.Stage == zktest.Reply && f.Op == zktest.OpSync {
				require.Equal(w, 1, w.srv.Cut(zktest.SessionConns(f.Conn.Session)))
			}
			return zktest.Pass
		})
		a.post(zktest.OpCreate, creating("/mine", "", 1))
		for _, event := range []string{"Created /interference", "Created /mine", "Deleted /mine"} {
			w.event(b, event)
		}
		h, _, err := a.answer()
		require.NoError(w, err, "the reply was there before the session ended")
		require.Zero(w, h.Err)
		w.ended(a)
		b.post(zktest.OpSync, &jute.PathRequest{Path: "/"})
		w.ended(b)
	})
}

func TestHooksAreAskedInOrder(t *testing.T) {
	inBubble(t, zktest.Config{}, func(w *world) {
		a := w.join("a")
		var first, second atomic.Int32
		remove := w.srv.OnFrame(func(f zktest.Frame) zktest.Verdict { first.Add(1); return zktest.DelayBy(-5) })
		w.srv.OnFrame(func(f zktest.Frame) zktest.Verdict { second.Add(1); return zktest.Drop })
		a.post(zktest.OpGetData, root)
		w.silent(a, time.Second)
		require.Equal(w, []int32{1, 1}, []int32{first.Load(), second.Load()}, "a delay of nothing is a Pass, and a dropped request has no reply")
		remove()
		a.post(zktest.OpGetData, root)
		w.silent(a, time.Second)
		require.Equal(w, []int32{1, 2}, []int32{first.Load(), second.Load()})
	})
}

func TestHandshakesCanBeHooked(t *testing.T) {
	onBoth(t, zktest.Config{}, func(w *world) {
		remove := w.srv.OnFrame(only(zktest.Request, zktest.OpConnect, zktest.Cut))
		a := w.knock("a", 0)
		a.send(frame(&jute.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)}))
		w.ended(a)
		require.Empty(w, w.srv.Sessions())
		remove()
		remove = w.srv.LoseReply(zktest.OpConnect, 1)
		b := w.knock("b", 0)
		b.send(frame(&jute.ConnectRequest{TimeOut: 1000, Passwd: make([]byte, 16)}))
		w.ended(b)
		require.Len(w, w.srv.Sessions(), 1)
		remove()
	})
}
