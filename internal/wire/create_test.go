package wire

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type creation struct {
	path string
	stat Stat
}

// creator is a session that records what OnCreated is told.
func creator(t *testing.T) (s *Session, got *[]creation) {
	got = new([]creation)
	s = NewSession(Options{OnCreated: func(path string, stat Stat) {
		*got = append(*got, creation{path, stat})
	}})
	return s, got
}

func createBody(path string) enc {
	return enc{}.str(path).str("data").i32(1).acl("world", "anyone").i32(0)
}

func TestCreateLeavesAsCreate2(t *testing.T) {
	s, got := creator(t)
	conn, tp := shake(t, s, 0, 0)
	frame := requestFrame(1, opCreate, createBody("/a"))
	keep := bytes.Clone(frame)
	_, err := conn.Write(frame)
	require.NoError(t, err)
	assert.Equal(t, keep, frame, "the driver's bytes were changed")
	assert.Equal(t, [][]byte{requestFrame(1, opCreate2, createBody("/a"))}, tp.written(t))

	reply := replyFrame(1, 8, 0, enc{}.str("/a0000000001").aStat())
	tp.feed(reply)
	_, err = io.ReadFull(conn, make([]byte, 1))
	require.NoError(t, err)
	assert.Equal(t, []creation{{"/a0000000001", aStat}}, *got, "before the driver has seen the reply")
	rest := make([]byte, len(reply)-1)
	_, err = io.ReadFull(conn, rest)
	require.NoError(t, err)
	assert.Equal(t, reply[1:], rest)
	assert.False(t, s.CreateStatUnsupported())
}

func TestOtherCreatesWithAStat(t *testing.T) {
	for _, op := range []int32{opContainer, opTTL} {
		s, got := creator(t)
		conn, tp := shake(t, s, 0, 0)
		request := requestFrame(1, op, createBody("/a"))
		exchange(t, conn, tp, request, replyFrame(1, 8, 0, enc{}.str("/a").aStat()))
		assert.Equal(t, [][]byte{request}, tp.written(t), "leaves as it is")
		assert.Equal(t, []creation{{"/a", aStat}}, *got)

		exchange(t, conn, tp, requestFrame(2, op, createBody("/b")), replyFrame(2, 8, 0, enc{}.str("/b")))
		exchange(t, conn, tp, requestFrame(3, op, createBody("/c")), replyFrame(3, 8, codeUnimplemented, nil))
		assert.Len(t, *got, 1, "no Stat, no call")
		assert.False(t, s.CreateStatUnsupported())
	}
}

func TestFailedCreateIsNotReported(t *testing.T) {
	s, got := creator(t)
	conn, tp := shake(t, s, 0, 0)
	exchange(t, conn, tp, requestFrame(1, opCreate, createBody("/a")), replyFrame(1, 8, -110, enc{}.str("/a").aStat()))
	assert.Empty(t, *got)
	assert.False(t, s.CreateStatUnsupported())
}

func TestCreateStaysCreateWhenNobodyAsks(t *testing.T) {
	_, conn, tp := opened(t, Options{})
	request := requestFrame(1, opCreate, createBody("/a"))
	exchange(t, conn, tp, request, replyFrame(1, 8, 0, enc{}.str("/a")))
	assert.Equal(t, [][]byte{request}, tp.written(t))
}

func TestMultiIsLeftAlone(t *testing.T) {
	s, got := creator(t)
	conn, tp := shake(t, s, 0, 0)
	request := requestFrame(1, opMulti, enc{}.result(opCreate, 0, -1).raw(createBody("/a")).end())
	exchange(t, conn, tp, request, replyFrame(1, 8, 0, enc{}.result(opCreate, 0, 0).str("/a").end()))
	assert.Equal(t, [][]byte{request}, tp.written(t))
	assert.Empty(t, *got)
}

func TestServerWithoutCreate2(t *testing.T) {
	s, got := creator(t)
	conn, tp := shake(t, s, 0, 0)
	request := requestFrame(1, opCreate, createBody("/a"))
	exchange(t, conn, tp, request, replyFrame(1, 8, codeUnimplemented, nil))
	assert.True(t, s.CreateStatUnsupported())
	tp.written(t)

	exchange(t, conn, tp, request, replyFrame(1, 9, 0, enc{}.str("/a")))
	assert.Equal(t, [][]byte{request}, tp.written(t))
	assert.Empty(t, *got)

	conn, tp = shake(t, s, 9, testSession)
	exchange(t, conn, tp, request, replyFrame(1, 10, 0, enc{}.str("/a")))
	assert.Equal(t, [][]byte{request}, tp.written(t), "remembered on the next link")
}

// What one session has learnt of the servers need not be learnt again in the next.
func TestServerThatIsKnownToBeWithoutCreate2(t *testing.T) {
	s := NewSession(Options{PlainCreates: true, OnCreated: func(string, Stat) { t.Error("no Stat was asked for") }})
	assert.True(t, s.CreateStatUnsupported())
	conn, tp := shake(t, s, 0, 0)
	request := requestFrame(1, opCreate, createBody("/a"))
	exchange(t, conn, tp, request, replyFrame(1, 8, 0, enc{}.str("/a")))
	assert.Equal(t, [][]byte{request}, tp.written(t))
}

// die sends a request and has the server close the connection instead of answering.
func die(t *testing.T, s *Session, op int32, err error) {
	conn, tp := shake(t, s, 0, s.ID())
	_, werr := conn.Write(requestFrame(1, op, createBody("/a")))
	require.NoError(t, werr)
	tp.hangUp(err)
	_, rerr := readFrame(conn)
	require.Error(t, rerr)
	conn.Close()
}

func TestServerThatClosesOnCreate2(t *testing.T) {
	s, _ := creator(t)
	die(t, s, opCreate, io.EOF)
	assert.False(t, s.CreateStatUnsupported(), "one loss happens to anybody")
	die(t, s, opExists, io.EOF)
	die(t, s, opCreate, os.ErrDeadlineExceeded)
	conn, tp := shake(t, s, 0, testSession)
	_, err := conn.Write(requestFrame(1, opCreate, createBody("/a")))
	require.NoError(t, err)
	tp.failAt, tp.failWith = tp.writes+1, os.ErrDeadlineExceeded
	_, err = conn.Write(pingFrame)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.False(t, s.CreateStatUnsupported(), "none of these was the server's doing")
	die(t, s, opCreate, errors.New("connection reset"))
	assert.True(t, s.CreateStatUnsupported())
}

func TestServerThatIsKnownToAnswerCreate2(t *testing.T) {
	s, _ := creator(t)
	conn, tp := shake(t, s, 0, 0)
	exchange(t, conn, tp, requestFrame(1, opCreate, createBody("/a")), replyFrame(1, 8, -110, nil))
	for range 5 {
		die(t, s, opCreate, io.EOF)
	}
	assert.False(t, s.CreateStatUnsupported())
}
