package wire

import (
	"errors"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// aMegabyte is more than a line takes.
var aMegabyte = strings.Repeat("x", 1<<20)

func TestCallsSentTogetherLeaveInOneWrite(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		before := l.Stats()
		a, b, c := getData("/a"), setData("/b", "data"), deleteNode("/c")
		l.send(a, b, c)
		requests := l.requests()
		assert.Equal(t, []string{"/a", "/b", "/c"}, paths(requests))
		assert.EqualValues(t, 1, l.Stats().Writes-before.Writes)
		assert.EqualValues(t, 3, l.Stats().FramesOut-before.FramesOut)
		for i, f := range requests {
			assert.EqualValues(t, firstXid+i, int32At(f, prefixLen))
		}
		assert.Equal(t, requestFrame(firstXid+1, opSetData, enc{}.str("/b").str("data").i32(-1)), requests[1])
		l.answer(requests...)
		for _, c := range []*testCall{a, b, c} {
			assert.NoError(t, c.ended(t))
			assert.True(t, closed(c.Written))
		}
		assert.Equal(t, "/a", a.data)
	})
}

func TestNothingComesBetweenCallsSentTogether(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		const callers, rounds = 20, 10
		for range rounds {
			for i := range callers {
				go func() {
					path := fmt.Sprintf("/%d", i)
					l.send(getData(path), getData(path), getData(path))
				}()
				go l.ping()
			}
			synctest.Wait()
		}
		var calls []string
		requests := l.requests()
		for i, path := range paths(requests) {
			if path == "" {
				require.Zero(t, len(calls)%3, "a ping between calls that were sent together")
				continue
			}
			if len(calls)%3 > 0 {
				require.Equal(t, calls[len(calls)-1], path, "frame %d", i)
			}
			calls = append(calls, path)
		}
		assert.Len(t, calls, 3*callers*rounds)
		l.answer(requests...)
		l.alive()
	})
}

// While one write is under way, what others hand in is gathered for the next.
func TestManyCallersAreGatheredInFewWrites(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		big := setData("/big", aMegabyte)
		before := l.Stats()
		l.send(big)
		synctest.Wait()
		calls := make([]*testCall, 100)
		for i := range calls {
			calls[i] = getData(fmt.Sprintf("/%d", i))
			l.send(calls[i]) // nobody waits for the peer
		}
		l.ping()
		requests := l.requests()
		require.Len(t, requests, 1+100+1)
		chunks := (len(slices.Concat(requests...)) + writeChunk - 1) / writeChunk
		assert.EqualValues(t, chunks, l.Stats().Writes-before.Writes)
		l.answer(requests...)
		assert.NoError(t, big.ended(t))
		for i, c := range calls {
			assert.NoError(t, c.ended(t))
			assert.Equal(t, fmt.Sprintf("/%d", i), c.data)
		}
	})
}

// A caller that writes for all others does so once, however much they go on handing in.
func TestWriterIsNotHeldByOthers(t *testing.T) {
	for name, write := range map[string]func(l *lane){
		"a caller":   func(l *lane) { l.send(getData("/first")) },
		"the driver": func(l *lane) { l.ping() },
	} {
		t.Run(name, func(t *testing.T) {
			onLane(t, Options{}, func(t *testing.T, l *lane) {
				more, first := make(chan struct{}), l.line.writes+1
				l.line.beforeEachWrite = func(n int) {
					if n == first {
						l.send(getData("/second"))
						return
					}
					<-more
				}
				returned := make(chan struct{})
				go func() {
					write(l)
					close(returned)
				}()
				synctest.Wait()
				assert.True(t, closed(returned), "it waits for the writes of others")
				close(more)
				assert.Len(t, l.requests(), 2)
			})
		})
	}
}

// What was not written when its caller gives up never is. The frames around it stay whole.
func TestCallGivenUpBeforeItIsWrittenIsTakenBack(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.send(setData("/big", aMegabyte))
		synctest.Wait()
		rng := rand.New(rand.NewSource(1))
		calls := make([]*testCall, 50)
		for i := range calls {
			calls[i] = setData(fmt.Sprintf("/%d", i), strings.Repeat("x", rng.Intn(100)))
			l.send(calls[i])
		}
		taken := make(map[int]bool)
		for _, i := range rng.Perm(50)[:30] {
			taken[i] = true
			assert.False(t, closed(calls[i].Written))
			over, err := calls[i].giveUp()
			assert.True(t, over)
			assert.ErrorIs(t, err, ErrNotSent)
			assert.Equal(t, 1, calls[i].over)
			assert.ErrorIs(t, calls[i].err, ErrNotSent)
			assert.True(t, closed(calls[i].Written), "it never will be")
		}
		l.send(deleteNode("/last"))
		want := []string{"/big"}
		for i, c := range calls {
			if !taken[i] {
				want = append(want, c.Path)
			}
		}
		requests := l.requests()
		assert.Equal(t, append(want, "/last"), paths(requests))
		l.answer(requests...)
		for i, c := range calls {
			if !taken[i] {
				assert.NoError(t, c.ended(t))
			}
			assert.Equal(t, 1, c.over)
		}
		l.alive()
		assert.Zero(t, l.conn.(*link).unrequested)
	})
}

func TestOnlyCallGivenUpBeforeItIsWritten(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.send(setData("/big", aMegabyte))
		synctest.Wait()
		c := getData("/a")
		l.send(c)
		_, err := c.giveUp()
		assert.ErrorIs(t, err, ErrNotSent)
		assert.True(t, closed(c.Written))
		assert.Equal(t, []string{"/big"}, paths(l.requests()))
		c = getData("/b")
		l.send(c)
		l.answer(l.requests()...) // the reply of /big is lost, and the server forgiven
		assert.NoError(t, c.ended(t))
	})
}

// However many calls wait, each costs the same when they are all given up. Were it not so, this would
// take a minute.
func TestManyCallsGivenUpAtOnce(t *testing.T) {
	for name, block := range map[string]*testCall{
		"behind a long write": setData("/big", aMegabyte),
		"held back":           {Call: *existsCall("/big", always{})},
	} {
		t.Run(name, func(t *testing.T) {
			onLane(t, Options{}, func(t *testing.T, l *lane) {
				l.send(block)
				synctest.Wait()
				calls := make([]*Call, 30_000)
				for i := range calls {
					calls[i] = existsCall("/a", nil)
				}
				require.NoError(t, l.Send(calls...))
				var callers sync.WaitGroup
				for i := range 256 {
					callers.Go(func() {
						for j := i; j < len(calls); j += 256 {
							over, err := calls[j].Wait(gone)
							if !over || !errors.Is(err, ErrNotSent) || !closed(calls[j].Written) {
								t.Errorf("call %d: %v, %v", j, over, err)
							}
						}
					})
				}
				callers.Wait()
				assert.Equal(t, []string{"/big"}, paths(l.requests()))
				l.send(getData("/after"))
			})
		})
	}
}

// Calls that are handed in and given up again and again behind a peer that takes nothing do not pile up.
func TestCallsGivenUpDoNotPileUp(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.send(setData("/big", aMegabyte))
		synctest.Wait()
		body := setData("/a", aMegabyte[:10_000]).Body
		for range 1000 {
			c := newCall(opSetData, "/a", body)
			l.send(c)
			_, err := c.giveUp()
			require.ErrorIs(t, err, ErrNotSent)
		}
		w := &l.conn.(*link).writer
		w.mu.Lock()
		assert.Less(t, cap(w.queue.buf), 3*len(aMegabyte))
		assert.Less(t, cap(w.queue.frames), 1000)
		w.mu.Unlock()
		assert.Equal(t, []string{"/big"}, paths(l.requests()))
	})
}

// A call was not sent only if none of its bytes can have left, even if many chunks have gathered.
func TestWriteThatFailsBetweenChunks(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		calls := []*testCall{setData("/first", aMegabyte[:2*writeChunk])}
		l.send(calls[0])
		synctest.Wait()
		for i := range 20 { // they gather for one write of many chunks
			calls = append(calls, setData(fmt.Sprintf("/%d", i), aMegabyte[:writeChunk/2]))
			l.send(calls[i+1])
		}
		last := l.line.writes + 6
		l.line.beforeEachWrite = func(n int) {
			if n == last {
				l.line.Close()
			}
		}
		tried := len(l.stream()) + writeChunk
		assert.ErrorIs(t, l.dead(), net.ErrClosed)
		begin, unsent := 0, 0
		for _, c := range calls {
			want := ErrUnanswered
			if begin >= tried {
				want = ErrNotSent
				unsent++
			}
			assert.ErrorIs(t, c.ended(t), want, c.Path)
			assert.True(t, closed(c.Written), c.Path)
			begin += c.size
		}
		assert.Equal(t, 8, unsent)
	})
}

// A call of a later chunk of a batch can be taken back.
func TestCallOfALaterChunkIsTakenBack(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		given := getData("/given up")
		l.send(setData("/big", aMegabyte), given, getData("/last"))
		synctest.Wait()
		_, err := given.giveUp()
		assert.ErrorIs(t, err, ErrNotSent)
		assert.Equal(t, []string{"/big", "/last"}, paths(l.requests()))
	})
}

// Over is called once, and Left tells, however a call ends that was left.
func TestCallGivenUpAfterItIsWrittenIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(l *lane, request []byte)
		want error
	}{
		"an answer": {func(l *lane, request []byte) { l.answer(request) }, nil},
		"an error": {func(l *lane, request []byte) {
			l.feed(replyFrame(int32At(request, prefixLen), 1, codeNoNode, nil))
		}, &CodeError{codeNoNode}},
		"the link ends": {func(l *lane, _ []byte) { l.Break(errTest) }, ErrUnanswered},
	} {
		t.Run(name, func(t *testing.T) {
			onLane(t, Options{}, func(t *testing.T, l *lane) {
				call := getData("/a")
				l.send(call)
				over, err := call.giveUp()
				require.False(t, over)
				require.NoError(t, err)
				assert.True(t, closed(call.Written))
				left, late := call.Left()
				synctest.Wait()
				assert.False(t, closed(left))
				assert.Zero(t, call.over)

				c.end(l, l.requests()[0])
				synctest.Wait()
				require.True(t, closed(left))
				assert.Equal(t, 1, call.over)
				if code, ok := c.want.(*CodeError); ok {
					assert.Equal(t, code, *late)
					return
				}
				assert.ErrorIs(t, *late, c.want)
			})
		})
	}
}

func TestWrittenIsClosedWhenTheLinkEnds(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		big, small := setData("/big", aMegabyte), getData("/small")
		l.send(big)
		synctest.Wait()
		l.send(small)
		assert.False(t, closed(big.Written))
		assert.False(t, closed(small.Written))
		l.line.afterClose = func() { time.Sleep(1) } // the writer is awake ahead of what ends the link
		l.Break(errTest)
		synctest.Wait()
		assert.True(t, closed(big.Written))
		assert.True(t, closed(small.Written))
		assert.ErrorIs(t, big.ended(t), ErrUnanswered, "a part of it has left")
		assert.ErrorIs(t, small.ended(t), ErrNotSent)
	})
}

// A caller is not held up by a peer that takes nothing, whatever is in the queue, and the
// link ends when nothing has been taken for two thirds of the session timeout.
func TestPeerThatTakesNothing(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		begin := time.Now()
		events := time.NewTicker(time.Second) // or the server would be silent
		defer events.Stop()
		go func() {
			for range 4 {
				<-events.C
				l.feed(eventFrame(1, "/a"))
			}
		}()
		small, big, behind := getData("/small"), setData("/big", aMegabyte), getData("/behind")
		l.send(small)
		l.send(big)
		synctest.Wait()
		l.send(behind)
		for _, c := range []struct {
			*testCall
			taken bool
		}{{small, false}, {big, false}, {getData("/late"), true}} {
			if c.taken {
				l.send(c.testCall)
			}
			gaveUp, at := make(chan struct{}), time.Now()
			time.AfterFunc(time.Second, func() { close(gaveUp) })
			over, err := c.Wait(gaveUp)
			assert.Equal(t, time.Second, time.Since(at), c.Path)
			assert.Equal(t, c.taken, over, c.Path)
			assert.Equal(t, c.taken, errors.Is(err, ErrNotSent), c.Path)
		}
		assert.ErrorIs(t, behind.ended(t), ErrNotSent)
		assert.Equal(t, testTimeout*2/3, time.Since(begin))
		err := l.dead()
		assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
		assert.NotErrorIs(t, err, ErrSilent)
		for _, c := range []*testCall{small, big} {
			left, err := c.Left()
			<-left
			assert.ErrorIs(t, *err, ErrUnanswered)
			assert.Equal(t, 1, c.over)
		}
	})
}

// What the peer takes moves the deadline of writes.
func TestPeerThatTakesLittle(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		big, begin := setData("/big", aMegabyte[:5*lineWindow]), time.Now()
		l.send(big)
		for !closed(big.Written) {
			time.Sleep(time.Second)
			l.feed(eventFrame(1, "/a")) // or the server would be silent
			l.line.set(func() { l.line.out = nil })
			synctest.Wait()
		}
		assert.Greater(t, time.Since(begin), testTimeout*2/3)
		l.feed(replyFrame(firstXid, 1, 0, enc{}.aStat()))
		assert.NoError(t, big.ended(t))
	})
}

// A write fails while replies that have come are not processed yet: they still answer their calls.
func TestRepliesThatHaveComeWhenAWriteFails(t *testing.T) {
	for name, c := range map[string]struct {
		hungUp bool
		takes  time.Duration
	}{"the server has hung up": {true, 0}, "there is no end": {false, maxGrace}} {
		t.Run(name, func(t *testing.T) {
			slow := make(chan struct{})
			onLane(t, Options{OnEvent: func(int32, string) { <-slow }}, func(t *testing.T, l *lane) {
				slow = make(chan struct{})
				answered, open, failing := deleteNode("/answered"), deleteNode("/open"), deleteNode("/failing")
				l.send(answered, open)
				requests := l.requests()
				l.feed(eventFrame(1, "/a"))
				synctest.Wait()
				l.answer(requests[0])
				if c.hungUp {
					l.hangUp(io.EOF)
				}
				l.line.set(func() { l.line.broken = errTest })
				begin := time.Now()
				l.send(failing)
				late := deleteNode("/late")
				l.send(late)
				l.ping()
				close(slow)
				assert.NoError(t, answered.ended(t))
				assert.ErrorIs(t, open.ended(t), ErrUnanswered)
				assert.ErrorIs(t, failing.ended(t), ErrUnanswered)
				assert.ErrorIs(t, late.ended(t), ErrNotSent)
				err := l.dead()
				assert.ErrorIs(t, err, ErrHungUp)
				assert.Equal(t, !c.hungUp, errors.Is(err, errTest))
				assert.Equal(t, c.takes, time.Since(begin))
			})
		})
	}
}

// The driver's last request closes the session. Nothing is handed in behind it.
func TestNothingFollowsCloseSession(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		c := getData("/a")
		l.send(c)
		_, err := l.conn.Write(requestFrame(1, opClose, nil))
		require.NoError(t, err)
		assert.ErrorIs(t, l.Send(&getData("/b").Call), ErrNotSent)
		l.ping()
		requests := l.requests()
		require.Len(t, requests, 2)
		assert.EqualValues(t, opClose, int32At(requests[1], prefixLen+4))
		l.answer(requests...)
		assert.NoError(t, c.ended(t))
		l.alive()
	})
}

func TestTooManyCallsEndTheLink(t *testing.T) {
	_, conn, tp := opened(t, Options{})
	link := conn.(*link)
	link.reqs = pending{ring: make([]request, maxPending), n: maxPending - 1}
	calls := []*testCall{getData("/a"), getData("/b"), getData("/c")}
	require.NoError(t, link.handIn([]*Call{&calls[0].Call, &calls[1].Call, &calls[2].Call}))
	for _, c := range calls {
		assert.ErrorIs(t, c.ended(t), ErrNotSent)
		assert.True(t, closed(c.Written))
	}
	assert.True(t, tp.isClosed())
	assert.Empty(t, tp.written(t))
}
