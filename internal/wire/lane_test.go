package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
)

func TestCallIsAnswered(t *testing.T) {
	var log []string
	note := func(format string, args ...any) { log = append(log, fmt.Sprintf(format, args...)) }
	onLane(t, Options{OnAnswered: func(code int32) { note("OnAnswered %d", code) }}, func(t *testing.T, l *lane) {
		begin := time.Now()
		read, missing := getData("/a"), getData("/b")
		for _, c := range []*testCall{read, missing} {
			c.Answered = func(zxid int64, code int32) { note("Answered %d %d", zxid, code) }
			over, decode := c.Over, c.Decode
			c.Decode = func(d *jute.Decoder) error { note("Decode"); return decode(d) }
			c.Over = func(err error) { note("Over %v", err); over(err) }
		}
		l.send(read, missing)
		requests := l.requests()
		time.Sleep(time.Second)
		l.answer(requests[0])
		l.feed(replyFrame(firstXid+1, 7, codeNoNode, nil))
		assert.NoError(t, read.ended(t))
		assert.Equal(t, &CodeError{codeNoNode}, missing.ended(t))
		assert.Equal(t, "/a", read.data)
		assert.Equal(t, testStat, read.stat)
		assert.Equal(t, []string{"OnAnswered 0", "Decode", "Answered 1 0", "Over <nil>",
			"OnAnswered -101", "Answered 7 -101", "Over error code -101"}, log)
		assert.EqualValues(t, 7, l.LastZxid())
		assert.Equal(t, begin, l.LastAnswered())
	})
}

func TestDecodeDecidesOnTheError(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		c := getData("/a")
		c.Decode = func(*jute.Decoder) error { return errTest }
		l.send(c)
		l.answer(l.requests()...)
		assert.Equal(t, errTest, c.ended(t))
	})
}

func TestCallWithoutALink(t *testing.T) {
	s := NewSession(Options{})
	assert.ErrorIs(t, s.Send(&getData("/a").Call), ErrNotSent)
	tp := &tape{}
	conn, err := s.Wrap(tp)
	require.NoError(t, err)
	_, err = conn.Write(connectFrame(0, testTimeout, 0))
	require.NoError(t, err)
	assert.ErrorIs(t, s.Send(&getData("/a").Call), ErrNotSent, "the handshake is not answered")
	tp.feed(answerFrame(testTimeout, testSession))
	_, err = readFrame(conn)
	require.NoError(t, err)
	assert.NoError(t, s.Send(&getData("/a").Call))
	s.Break(errTest)
	assert.ErrorIs(t, s.Send(&getData("/a").Call), ErrNotSent)
}

func TestMalformedReplyFailsItsCallOnly(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		bad, good := getData("/bad"), getData("/good")
		l.send(bad, good)
		l.feed(replyFrame(firstXid, 1, 0, enc{}.str("data").i64(1)))
		l.answer(l.requests()[1])
		err := bad.ended(t)
		assert.ErrorIs(t, err, ErrMalformed)
		assert.ErrorIs(t, err, jute.ErrShort)
		assert.ErrorContains(t, err, "getData /bad")
		assert.NoError(t, good.ended(t))
		l.alive()
	})
}

func TestTooLongReplyFailsItsCallOnly(t *testing.T) {
	const maxFrame = 100 << 10
	onLane(t, Options{MaxFrame: maxFrame}, func(t *testing.T, l *lane) {
		for _, n := range []int{1, 4, 20} {
			before, long, after := getData("/before"), getData("/long"), getData("/after")
			l.send(before, long, after)
			requests := l.requests()
			xid := int32At(requests[1], prefixLen)
			l.answer(requests[0])
			l.feed(replyFrame(xid, 9, 0, enc{}.zeros(n*maxFrame-replyHeaderLen+1)))
			l.answer(requests[2])
			assert.NoError(t, before.ended(t))
			err := long.ended(t)
			assert.ErrorIs(t, err, ErrReplyTooLong)
			assert.ErrorContains(t, err, fmt.Sprintf("getData /long is answered with %d bytes", n*maxFrame+1))
			assert.NoError(t, after.ended(t))
			l.alive()
		}
	})
}

// Nobody waits for long for what is thrown away.
func TestTooLongReplyThatTricklesIn(t *testing.T) {
	onLane(t, Options{MaxFrame: 1000}, func(t *testing.T, l *lane) {
		long, other := getData("/long"), getData("/other")
		l.send(long, other)
		reply := replyFrame(firstXid, 9, 0, enc{}.zeros(1000))
		for range 5 {
			l.feed(reply[:100])
			reply = reply[100:]
			time.Sleep(testTimeout/12 + 1)
		}
		assert.ErrorContains(t, l.dead(), "getData /long")
		err := long.ended(t)
		assert.ErrorIs(t, err, ErrReplyTooLong)
		assert.ErrorContains(t, err, "getData /long")
		assert.NotErrorIs(t, err, ErrUnanswered)
		assert.ErrorIs(t, other.ended(t), ErrUnanswered)
	})
}

func TestTooLongReplyThatIsCutOff(t *testing.T) {
	onLane(t, Options{MaxFrame: 1000}, func(t *testing.T, l *lane) {
		long := getData("/long")
		l.send(long)
		l.feed(replyFrame(firstXid, 9, 0, enc{}.zeros(1000))[:500])
		l.hangUp(io.EOF)
		assert.ErrorIs(t, l.dead(), io.EOF)
		assert.ErrorIs(t, long.ended(t), ErrReplyTooLong)
	})
}

// A too long reply that was overtaken is no lost one.
func TestTooLongReplyOutOfTurn(t *testing.T) {
	onLane(t, Options{MaxFrame: 1000}, func(t *testing.T, l *lane) {
		long, other := getData("/long"), getData("/other")
		l.send(long, other)
		l.answer(l.requests()[1])
		l.feed(replyFrame(firstXid, 9, 0, enc{}.zeros(1000)))
		assert.ErrorIs(t, long.ended(t), ErrReplyTooLong)
		time.Sleep(time.Second)
		l.alive()
		assert.True(t, l.outOfTurn)
	})
}

// However a link ends, all its calls do.
func TestCallsEndWithTheLink(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(l *lane)
		want error
	}{
		"a fence":                  {func(l *lane) { l.Fence(errTest) }, errTest},
		"a break":                  {func(l *lane) { l.Break(errTest) }, errTest},
		"the driver closes it":     {func(l *lane) { l.conn.Close() }, nil},
		"the server closes it":     {func(l *lane) { l.hangUp(io.EOF) }, io.EOF},
		"nonsense from the server": {func(l *lane) { l.feed(enc{}.i32(-1)) }, ErrMalformed},
		"silence":                  {func(l *lane) { l.pass(testTimeout * 2 / 3) }, os.ErrDeadlineExceeded},
		"another link":             {func(l *lane) { l.dial() }, errSuperseded},
	} {
		t.Run(name, func(t *testing.T) {
			onLane(t, Options{}, func(t *testing.T, l *lane) {
				sent, big, unsent := getData("/sent"), setData("/big", aMegabyte), getData("/unsent")
				l.send(sent)
				l.send(big)
				synctest.Wait()
				l.send(unsent)
				c.end(l)
				synctest.Wait()
				for call, want := range map[*testCall]error{sent: ErrUnanswered, big: ErrUnanswered, unsent: ErrNotSent} {
					err := call.ended(t)
					assert.ErrorIs(t, err, want, call.Path)
					if c.want != nil {
						assert.ErrorIs(t, err, c.want, call.Path)
					}
				}
			})
		})
	}
}

// Replies and the end of the link come at the same time: each call ends once.
func TestCallsEndOnceBetweenAReplyAndABreak(t *testing.T) {
	s, id := NewSession(Options{}), int64(0)
	for range 50 {
		conn, tp := shake(t, s, 0, id)
		id = s.ID()
		calls, reading := make([]*testCall, 200), make(chan struct{})
		for i := range calls {
			calls[i] = deleteNode("/a")
			require.NoError(t, s.Send(&calls[i].Call))
			tp.feed(replyFrame(firstXid+int32(i), 1, 0, nil))
		}
		calls[2].Answered = func(int64, int32) { close(reading) }
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = conn.Read(make([]byte, 4)) })
		wg.Go(func() {
			<-reading
			s.Break(errTest)
		})
		wg.Go(func() {
			if over, _ := calls[10].giveUp(); !over {
				left, _ := calls[10].Left()
				<-left
			}
		})
		for i, c := range calls {
			if i != 10 {
				if err := c.ended(t); err != nil {
					assert.ErrorIs(t, err, ErrUnanswered)
				}
			}
		}
		wg.Wait()
		for _, c := range calls {
			require.Equal(t, 1, c.over)
		}
		assert.Zero(t, conn.(*link).unrequested)
	}
}

// The driver knows of its own replies only.
func TestConnectRequestCarriesTheNewestZxid(t *testing.T) {
	for _, c := range []struct {
		name         string
		seen, driver int64
		want         int64
	}{
		{"of a call", 77, 5, 77},
		{"of the driver", 77, 99, 99},
		{"none", 0, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var onLink []int64
			s, conn, tp := opened(t, Options{OnLink: func(zxid int64) []*Call { onLink = append(onLink, zxid); return nil }})
			call := deleteNode("/a")
			require.NoError(t, s.Send(&call.Call))
			tp.feed(replyFrame(firstXid, c.seen, 0, nil))
			nothingMore(t, conn)

			tp = &tape{}
			conn, err := s.Wrap(tp)
			require.NoError(t, err)
			ask := connectFrame(c.driver, testTimeout, testSession)
			n, err := conn.Write(ask)
			require.NoError(t, err)
			assert.Equal(t, len(ask), n)
			assert.Equal(t, [][]byte{flaggedFrame(connectFrame(c.want, testTimeout, testSession), 0)}, tp.written(t))
			assert.Equal(t, connectFrame(c.driver, testTimeout, testSession), ask, "the driver's bytes were changed")
			tp.feed(answerFrame(testTimeout, testSession))
			_, err = readFrame(conn)
			require.NoError(t, err)
			assert.Equal(t, []int64{0, c.want}, onLink)
		})
	}
}

// Nothing but credentials goes ahead of what OnLink returns.
func TestCallsOfOnLinkGoFirst(t *testing.T) {
	var s *Session
	var first *testCall
	s = NewSession(Options{Auth: twoCredentials,
		OnLink: func(int64) []*Call {
			first = getData("/first")
			assert.ErrorIs(t, s.Send(&getData("/too soon").Call), ErrNotSent)
			return []*Call{&first.Call, &getData("/second").Call}
		},
		OnEstablished: func(Established) { assert.NoError(t, s.Send(&getData("/third").Call)) },
	})
	for range 2 {
		tp := &tape{}
		conn, err := s.Wrap(tp)
		require.NoError(t, err)
		_, err = conn.Write(connectFrame(0, testTimeout, s.ID()))
		require.NoError(t, err)
		tp.written(t)
		tp.feed(answerFrame(testTimeout, testSession))
		_, err = readFrame(conn)
		require.NoError(t, err)
		_, err = conn.Write(pingFrame)
		require.NoError(t, err)
		frames := tp.written(t)
		require.Len(t, frames, 6)
		assert.Equal(t, [][]byte{authRequest("digest", "u:s3cr3t"), authRequest("ip", "")}, frames[:2])
		assert.Equal(t, []string{"/first", "/second", "/third", ""}, paths(frames[2:]))
		tp.feed(replyFrame(xidAuth, 0, 0, nil), reply(frames[2], 1), replyFrame(xidAuth, 0, 0, nil))
		nothingMore(t, conn)
		assert.NoError(t, first.ended(t))
		assert.Equal(t, "/first", first.data)
	}
}

func TestCallsOfOnLinkEndWithAFailedLink(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(s *Session, tp *tape)
		want error
	}{
		"a fence meanwhile": {func(s *Session, _ *tape) { s.Fence(errTest) }, ErrNotSent},
		"a failing write":   {func(_ *Session, tp *tape) { tp.failAt, tp.failWith = 2, errTest }, ErrUnanswered},
	} {
		t.Run(name, func(t *testing.T) {
			var s *Session
			call, tp := getData("/a"), &tape{}
			s = NewSession(Options{OnLink: func(int64) []*Call { c.fail(s, tp); return []*Call{&call.Call} }})
			conn, err := s.Wrap(tp)
			require.NoError(t, err)
			_, err = conn.Write(connectFrame(0, testTimeout, 0))
			require.NoError(t, err)
			tp.feed(answerFrame(testTimeout, testSession))
			readFrame(conn)
			assert.ErrorIs(t, call.ended(t), c.want)
			assert.ErrorIs(t, s.Send(&getData("/b").Call), ErrNotSent)
		})
	}
}

func TestEventsComeInOrderWithReplies(t *testing.T) {
	var log []string
	s, conn, tp := opened(t, Options{OnEvent: func(kind int32, path string) { log = append(log, fmt.Sprint(kind, path)) }})
	var stream []byte
	for i := range 20 {
		c := getData(fmt.Sprintf("/%d", i))
		c.Over = func(err error) { log = append(log, fmt.Sprint(c.data, err)) }
		require.NoError(t, s.Send(&c.Call))
		stream = append(stream, eventFrame(3, fmt.Sprintf("/%d", i))...)
		stream = append(stream, reply(tp.written(t)[0], 1)...)
	}
	tp.feed(stream)
	nothingMore(t, conn)
	require.Len(t, log, 40)
	for i := range 20 {
		path := fmt.Sprintf("/%d", i)
		assert.Equal(t, []string{"3" + path, path + "<nil>"}, log[2*i:2*i+2])
	}
}

// What had come by then is not looked at any more.
func TestNothingIsDeliveredAfterAFence(t *testing.T) {
	var s *Session
	events := 0
	s, conn, tp := opened(t, Options{OnEvent: func(int32, string) { events++; s.Fence(errTest) }})
	c := getData("/a")
	require.NoError(t, s.Send(&c.Call))
	tp.feed(slices.Concat(eventFrame(1, "/a"), eventFrame(1, "/a"), reply(tp.written(t)[0], 9)))
	_, err := conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, errTest)
	assert.Equal(t, 1, events)
	assert.ErrorIs(t, c.ended(t), ErrUnanswered)
	assert.Zero(t, s.LastZxid())
	assert.Zero(t, conn.(*link).unrequested)
}

func TestMalformedEventEndsTheLink(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		c := getData("/a")
		l.send(c)
		l.feed(replyFrame(xidEvent, -1, 0, enc{}.i32(1).i32(3).i32(-1)))
		assert.ErrorIs(t, l.dead(), ErrMalformed)
		assert.ErrorIs(t, c.ended(t), ErrUnanswered)
	})
}

// The driver gets its own replies and nothing else.
func TestDriverSeesItsOwnReplies(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	pong := replyFrame(xidPing, 9, 0, nil)
	for range 3 {
		c := getData("/a")
		require.NoError(t, s.Send(&c.Call))
		_, err := conn.Write(pingFrame)
		require.NoError(t, err)
		tp.feed(reply(tp.written(t)[0], 1), eventFrame(1, "/a"), pong)
		got, err := readFrame(conn)
		require.NoError(t, err)
		assert.Equal(t, pong, got)
		assert.NoError(t, c.ended(t))
	}
}

// asking is a log handler that asks the Session for something.
type asking struct {
	slog.Handler
	s        *Session
	messages []string
}

func (h *asking) Handle(_ context.Context, r slog.Record) error {
	if h.s != nil {
		h.s.LastAnswered()
		h.messages = append(h.messages, r.Message)
	}
	return nil
}

// Nothing is held while the log is written.
func TestLogHandlerMayAskTheSession(t *testing.T) {
	h := &asking{Handler: slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug})}
	onLane(t, Options{Logger: slog.New(h)}, func(t *testing.T, l *lane) {
		h.s = l.Session
		l.send(getData("/a"), getData("/b"))
		requests := l.requests()
		l.answer(requests[1], requests[0])
		l.feed(replyFrame(3, 1, 0, nil), enc{}.i32(-1))
		assert.ErrorIs(t, l.dead(), ErrMalformed)
		assert.Len(t, h.messages, 3)
		h.s = nil
	})
}

func TestErrorsName(t *testing.T) {
	assert.Equal(t, "error code -101", (&CodeError{codeNoNode}).Error())
	var code *CodeError
	assert.True(t, errors.As(fmt.Errorf("x: %w", &CodeError{1}), &code))
	assert.Equal(t, "getData", opName(opGetData))
	assert.Equal(t, "operation 77", opName(77))
}

// A call that was awaited in vain can be waited for longer, and ends as any other.
func TestCallIsAwaitedAndThenWaitedFor(t *testing.T) {
	for name, deadline := range map[string]time.Duration{"until its deadline": time.Second, "until it was given up": 0} {
		t.Run(name, func(t *testing.T) {
			onLane(t, Options{}, func(t *testing.T, l *lane) {
				a, gaveUp := getData("/a"), make(chan struct{})
				if deadline > 0 {
					a.Deadline = time.Now().Add(deadline)
				} else {
					close(gaveUp)
				}
				l.send(a)
				assert.False(t, a.Await(gaveUp))
				requests := l.requests()
				l.answer(requests...)
				assert.NoError(t, a.ended(t))

				b := getData("/b")
				l.send(b)
				l.answer(l.requests()...)
				assert.True(t, b.Await(never(t)))
				assert.NoError(t, b.ended(t))
			})
		})
	}
}
