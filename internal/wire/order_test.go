package wire

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/jute"
)

// A reply to a later request, or to a ping, proves that an earlier reply is lost.
func TestOvertakenReplyEndsTheLink(t *testing.T) {
	for name, overtake := range map[string]func(l *lane) [][]byte{
		"by the reply of a later call": func(l *lane) [][]byte { l.send(getData("/later")); return l.requests() },
		"by the reply of a ping":       func(l *lane) [][]byte { l.ping(); return l.requests() },
	} {
		t.Run(name, func(t *testing.T) {
			onLane(t, Options{}, func(t *testing.T, l *lane) {
				answered, lost, open := getData("/answered"), deleteNode("/lost"), getData("/open")
				l.send(answered, lost)
				l.answer(l.requests()[0])
				overtaking := overtake(l)
				l.send(open)
				l.requests()
				time.Sleep(time.Second)
				l.answer(overtaking...)
				time.Sleep(maxGrace - 1)
				l.alive()
				time.Sleep(1)

				err := l.dead()
				assert.ErrorIs(t, err, ErrReplyLost)
				assert.ErrorContains(t, err, "delete /lost")
				assert.Equal(t, err, l.Ended())
				assert.NoError(t, answered.ended(t))
				for _, c := range []*testCall{lost, open} {
					err := c.ended(t)
					assert.ErrorIs(t, err, ErrUnanswered, c.Path)
					assert.ErrorIs(t, err, ErrReplyLost, c.Path)
				}
				l.dial()
				l.alive()
			})
		})
	}
}

// A short session timeout makes for a short grace.
func TestGraceFollowsTheSessionTimeout(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.conn.(*link).timeout = time.Second
		l.send(deleteNode("/lost"), getData("/later"))
		l.answer(l.requests()[1])
		time.Sleep(time.Second/20 - 1)
		l.alive()
		time.Sleep(1)
		assert.ErrorIs(t, l.dead(), ErrReplyLost)
	})
}

// A server that answers out of turn is found out once, and not broken with then.
func TestServerThatAnswersOutOfTurn(t *testing.T) {
	var log strings.Builder
	handler := slog.NewTextHandler(&log, nil)
	onLane(t, Options{Logger: slog.New(handler)}, func(t *testing.T, l *lane) {
		outOfTurn := func(pause time.Duration) {
			one, two, three := getData("/one"), getData("/two"), getData("/three")
			l.send(one, two, three)
			requests := l.requests()
			l.answer(requests[2])
			assert.NoError(t, three.ended(t))
			time.Sleep(pause)
			l.answer(requests[1], requests[0])
			assert.NoError(t, two.ended(t))
			assert.NoError(t, one.ended(t))
			assert.Equal(t, "/one", one.data)
			l.alive()
		}
		outOfTurn(maxGrace - 1)
		outOfTurn(time.Second)
		l.Break(errTest)
		assert.ErrorIs(t, l.dead(), errTest)
		l.dial()
		outOfTurn(3 * time.Second)
		assert.Equal(t, 1, strings.Count(log.String(), "out of order"), log.String())
		assert.Zero(t, l.conn.(*link).unrequested)
	})
}

// keepBusy has the server send an event each second of the bubble, which is no silence, and no answer.
func (l *lane) keepBusy(t *testing.T) {
	line, stop := l.line, make(chan struct{})
	t.Cleanup(func() { close(stop) })
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Second):
				line.set(func() { line.in = append(line.in, eventFrame(1, "/a")...) })
			}
		}
	}()
}

func TestNoReplyForTheSessionTimeoutEndsTheLink(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.keepBusy(t)
		time.Sleep(10 * time.Second) // nothing is open: nothing is due
		l.alive()
		first, begin := getData("/first"), time.Now()
		l.send(first)
		time.Sleep(testTimeout - 1)
		l.alive()
		second := deleteNode("/second")
		l.send(second)
		time.Sleep(1)
		err := l.dead()
		assert.Equal(t, testTimeout, time.Since(begin))
		assert.ErrorIs(t, err, ErrNoReply)
		assert.ErrorContains(t, err, "getData /first")
		assert.NotContains(t, err.Error(), "/second")
		for _, c := range []*testCall{first, second} {
			assert.ErrorIs(t, c.ended(t), ErrUnanswered)
		}
	})
}

// Where replies may overtake, that is what finds a lost one.
func TestLostReplyOfAServerThatAnswersOutOfTurn(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.outOfTurn = true
		lost, begin := getData("/lost"), time.Now()
		l.send(lost)
		l.requests()
		for time.Since(begin) < testTimeout-time.Second {
			l.ping()
			l.answer(l.requests()...)
			time.Sleep(time.Second)
		}
		l.alive()
		time.Sleep(time.Second)
		assert.ErrorIs(t, l.dead(), ErrNoReply)
		assert.ErrorIs(t, lost.ended(t), ErrUnanswered)
	})
}

// Parts of other replies do not hide that one is lost, however many there are.
func TestLostReplyOnALineThatIsNeverIdle(t *testing.T) {
	for _, outOfTurn := range []bool{false, true} {
		onLane(t, Options{}, func(t *testing.T, l *lane) {
			l.outOfTurn = outOfTurn
			lost, begin := deleteNode("/lost"), time.Now()
			l.send(lost)
			l.requests()
			var rest []byte
			for time.Since(begin) < 2*testTimeout && l.Ended() == nil {
				l.send(getData("/long"))
				l.requests()
				l.zxid++
				next := replyFrame(firstXid+int32(l.zxid), l.zxid, 0, enc{}.str(strings.Repeat("x", 1000)).aStat())
				l.feed(rest, next[:500])
				rest = next[500:]
				time.Sleep(maxGrace / 2)
			}
			require.Less(t, time.Since(begin), 2*testTimeout)
			assert.ErrorIs(t, lost.ended(t), ErrUnanswered)
			assert.ErrorIs(t, l.dead(), ErrNoReply)
		})
	}
}

// A server that answers steadily may be late with each answer.
func TestLongQueueIsNotSilence(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		calls := make([]*testCall, 10)
		for i := range calls {
			calls[i] = getData("/a")
		}
		l.send(calls...)
		for _, request := range l.requests() {
			time.Sleep(testTimeout / 2)
			l.answer(request)
		}
		for _, c := range calls {
			assert.NoError(t, c.ended(t))
		}
	})
}

// Bytes of a long reply move its deadline, and that of those behind it.
func TestReplyThatTricklesIn(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		long, behind := getData("/long"), deleteNode("/behind")
		l.send(long, behind)
		requests := l.requests()
		l.ping()
		reply := replyFrame(firstXid, 1, 0, enc{}.str(strings.Repeat("x", 10_000)).aStat())
		_, ok := l.Arriving()
		assert.False(t, ok)
		got := 0
		for rest := reply; len(rest) > 0; rest = rest[min(1000, len(rest)):] {
			time.Sleep(testTimeout / 2)
			some := rest[:min(1000, len(rest))]
			l.feed(some)
			synctest.Wait()
			if got += len(some); got < len(reply) {
				a, ok := l.Arriving()
				require.True(t, ok)
				assert.Equal(t, Arriving{Op: opGetData, Path: "/long", Got: got, Size: len(reply), Latest: time.Now()}, a)
			}
		}
		assert.NoError(t, long.ended(t))
		assert.Len(t, long.data, 10_000)
		_, ok = l.Arriving()
		assert.False(t, ok)

		time.Sleep(testTimeout / 2)
		l.alive()
		l.answer(requests[1])
		assert.NoError(t, behind.ended(t))
		l.answer(pingFrame)
		l.alive()
	})
}

// What comes of a reply that never gets complete is due like any other.
func TestReplyThatStopsHalfway(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		c := getData("/a")
		l.send(c)
		time.Sleep(testTimeout / 2)
		l.feed(replyFrame(firstXid, 1, 0, enc{}.str(strings.Repeat("x", 10_000)))[:5000])
		time.Sleep(testTimeout*2/3 - 1)
		l.alive()
		time.Sleep(1)
		assert.ErrorIs(t, l.dead(), ErrSilent)
		assert.ErrorIs(t, c.ended(t), ErrUnanswered)
		_, ok := l.Arriving()
		assert.False(t, ok)
	})
}

// Events that watches have missed come ahead of the reply to setWatches, and may take long.
func TestEventsAheadOfTheReplyToSetWatches(t *testing.T) {
	for _, op := range []int32{jute.OpSetWatches, jute.OpSetWatches2} {
		onLane(t, Options{}, func(t *testing.T, l *lane) {
			set, behind := newCall(op, "of all watches", nil), getData("/behind")
			l.send(set)
			time.Sleep(testTimeout / 2)
			l.feed(eventFrame(1, "/a"))
			l.send(behind)
			requests := l.requests()
			for range 10 {
				time.Sleep(testTimeout / 2)
				l.feed(eventFrame(1, "/a"))
			}
			l.alive()
			l.answer(requests[0])
			assert.NoError(t, set.ended(t))
			for range 9 {
				time.Sleep(testTimeout / 10)
				l.feed(eventFrame(1, "/a"))
			}
			l.alive()
			time.Sleep(testTimeout / 10)
			assert.ErrorIs(t, l.dead(), ErrNoReply, "events do not count for another request")
			assert.ErrorIs(t, behind.ended(t), ErrUnanswered)
		})
	}
}

// Nothing but the time would show that the reply to setWatches is lost.
func TestEventsAheadOfTheReplyToSetWatchesOutOfTurn(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.outOfTurn = true
		l.keepBusy(t)
		set, begin := newCall(opSetWatches, "of all watches", nil), time.Now()
		l.send(set)
		assert.ErrorIs(t, set.ended(t), ErrNoReply)
		assert.Equal(t, testTimeout, time.Since(begin))
	})
}

// A process is stopped until its deadlines have passed. Replies that came meanwhile are read all the same.
func TestProcessThatWasStopped(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.line.set(func() { l.line.stopped = true })
		time.Sleep(testTimeout - time.Second)
		l.feed(eventFrame(1, "/a"))
		l.line.set(func() { l.line.stopped = false })
		l.alive()
		time.Sleep(testTimeout*2/3 - 1)
		l.alive()
		time.Sleep(1)
		assert.ErrorIs(t, l.dead(), ErrSilent)
	})
}

func TestProcessThatWasStoppedWhileNothingCame(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.line.set(func() { l.line.stopped = true })
		time.Sleep(testTimeout - time.Second)
		l.line.set(func() { l.line.stopped = false })
		time.Sleep(maxGrace - 1)
		l.alive()
		time.Sleep(1)
		assert.ErrorIs(t, l.dead(), ErrSilent)
	})
}

// The timer is ahead of the reader when a process goes on that was stopped.
func TestReplyThatCameWhileTheProcessWasStopped(t *testing.T) {
	for _, comes := range []bool{true, false} {
		onLane(t, Options{}, func(t *testing.T, l *lane) {
			c, link := getData("/a"), l.conn.(*link)
			l.send(c)
			l.requests()
			link.reqs.at(0).sent = time.Now().Add(-testTimeout - time.Second)
			link.lookAtOldest() // the reader has not run yet
			time.Sleep(maxGrace - 1)
			l.alive()
			if comes {
				l.feed(replyFrame(firstXid, 1, 0, enc{}.str("").aStat()))
				assert.NoError(t, c.ended(t))
				time.Sleep(1)
				l.alive()
				return
			}
			time.Sleep(1)
			assert.ErrorIs(t, l.dead(), ErrNoReply)
		})
	}
}

// The reply to a ping is lost like any other. Pings are all alike, so the next ping's reply is taken for it; the one of the
// next call shows that there is one too few.
func TestLostReplyToAPing(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		begin := time.Now()
		l.ping()
		l.requests()
		for range 3 {
			time.Sleep(testTimeout / 3)
			l.ping()
			l.answer(l.requests()...)
			l.alive()
			begin = begin.Add(testTimeout / 3)
			assert.Equal(t, begin.Add(-testTimeout/3), l.LastAnswered(), "that of the ping before: trust is shorter, never longer")
		}
		c := getData("/a")
		l.send(c)
		l.answer(l.requests()...)
		assert.NoError(t, c.ended(t))
		l.ping()
		l.answer(l.requests()...)
		time.Sleep(maxGrace - 1)
		l.alive()
		time.Sleep(1)
		err := l.dead()
		assert.ErrorIs(t, err, ErrReplyLost)
		assert.ErrorContains(t, err, "not ping")
		assert.False(t, l.outOfTurn)
	})
}

func TestReplyToAPingThatComesOutOfTurn(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.ping()
		l.send(getData("/a"))
		requests := l.requests()
		l.answer(requests[1])
		l.answer(requests[0])
		time.Sleep(maxGrace)
		l.alive()
		assert.True(t, l.outOfTurn)
	})
}

// The reply to a ping that is late may be that to the next one. It does not keep others from being missed.
func TestLostReplyBehindAPingThatIsLate(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.ping()
		l.send(getData("/a"))
		requests := l.requests()
		l.answer(requests[1])
		lost := deleteNode("/lost")
		l.send(lost)
		l.ping()
		l.requests()
		l.answer(requests[0])
		time.Sleep(maxGrace)
		l.send(getData("/later"))
		l.answer(l.requests()...)
		time.Sleep(maxGrace)
		assert.ErrorIs(t, l.dead(), ErrReplyLost)
		assert.ErrorIs(t, lost.ended(t), ErrUnanswered)
	})
}

// An event that arrives says nothing of a request.
func TestEventThatTricklesIn(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		c, begin := getData("/a"), time.Now()
		l.send(c)
		event := eventFrame(1, "/"+strings.Repeat("x", 1000))
		for i := 0; time.Since(begin) < testTimeout-time.Second; i += 100 {
			time.Sleep(time.Second)
			l.feed(event[i : i+100])
			synctest.Wait()
			_, ok := l.Arriving()
			assert.False(t, ok)
		}
		l.alive()
		time.Sleep(time.Second)
		assert.ErrorIs(t, l.dead(), ErrNoReply)
	})
}

// What looks after one link does nothing to the next.
func TestTimersEndWithTheirLink(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.send(deleteNode("/lost"), getData("/later"))
		l.answer(l.requests()[1])
		l.Break(errTest)
		assert.ErrorIs(t, l.dead(), errTest)
		l.dial()
		l.keepBusy(t)
		time.Sleep(2 * testTimeout)
		l.alive()
		assert.Equal(t, errTest, unwrapped(l.Ended()))
	})
}

// unwrapped is the innermost error.
func unwrapped(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = u.Unwrap()
	}
}

// The wait for a call ends at its deadline, whatever the deadlines of others are.
func TestDeadlinesOfCalls(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		begin := time.Now()
		for i, at := range []time.Duration{2 * time.Second, time.Second, 3 * time.Second, 3 * time.Second} {
			c := getData("/a")
			c.Deadline = begin.Add(at)
			l.send(c)
			go func() {
				over, err := c.Wait(nil)
				assert.False(t, over, i)
				assert.NoError(t, err)
				assert.Equal(t, at, time.Since(begin), i)
				left, late := c.Left()
				<-left
				assert.NoError(t, *late)
				assert.Equal(t, 1, c.over)
			}()
		}
		quick := getData("/quick")
		quick.Deadline = begin.Add(time.Second)
		l.send(quick)
		time.Sleep(3500 * time.Millisecond)
		l.answer(l.requests()...)
		over, err := quick.Wait(nil)
		assert.True(t, over, "an answer is better than a deadline")
		assert.NoError(t, err)
		l.alive()
	})
}

// A deadline takes a call back that was not written.
func TestDeadlineOfACallThatIsNotWritten(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.send(setData("/big", aMegabyte))
		synctest.Wait()
		c, begin := getData("/a"), time.Now()
		c.Deadline = begin.Add(time.Second)
		l.send(c)
		assert.ErrorIs(t, c.ended(t), ErrNotSent)
		assert.Equal(t, time.Second, time.Since(begin))
		assert.True(t, closed(c.Written))
		assert.Equal(t, []string{"/big"}, paths(l.requests()))
	})
}
