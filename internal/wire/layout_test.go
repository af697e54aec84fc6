package wire

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var aStat = Stat{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}

func (e enc) aStat() enc { return e.stat(aStat) }

// bodies are valid replies of every layout, plain and with everything that may
// be null.
var bodies = []struct {
	name string
	op   int32
	body enc
}{
	{"create", opCreate, enc{}.str("/a")},
	{"delete", opDelete, enc{}},
	{"exists", opExists, enc{}.aStat()},
	{"getData", opGetData, enc{}.str("data").aStat()},
	{"getData, null", opGetData, enc{}.i32(-1).aStat()},
	{"getData, empty", opGetData, enc{}.i32(0).aStat()},
	{"setData", opSetData, enc{}.aStat()},
	{"getACL", opGetACL, enc{}.i32(2).acl("world", "anyone").acl("ip", "127.0.0.1").aStat()},
	{"getACL, none", opGetACL, enc{}.i32(0).aStat()},
	{"setACL", opSetACL, enc{}.aStat()},
	{"getChildren", opGetChildren, enc{}.i32(2).str("a").str("")},
	{"getChildren, none", opGetChildren, enc{}.i32(0)},
	{"sync", opSync, enc{}.str("/a")},
	{"getChildren2", opGetChildren2, enc{}.i32(3).str("a").str("b").str("c").aStat()},
	{"multi", opMulti, enc{}.result(opCreate, 0, 0).str("/a").result(opSetData, 0, 0).aStat().
		result(opDelete, 0, 0).result(opCheck, 0, 0).end()},
	{"multi, failed", opMulti, enc{}.result(opError, 0, 0).i32(0).result(opError, 0, -101).i32(-101).end()},
	{"multi, empty", opMulti, enc{}.end()},
	{"create2", opCreate2, enc{}.str("/a").aStat()},
	{"create2, only a path", opCreate2, enc{}.str("/a")},
	{"reconfig", opReconfig, enc{}.str("server.1=a:1:2:participant;3").aStat()},
	{"container", opContainer, enc{}.str("/a").aStat()},
	{"TTL", opTTL, enc{}.str("/a").aStat()},
	{"setWatches", opSetWatches, enc{}},
	{"auth", opAuth, enc{}},
	{"an opcode nobody knows", 1000, enc{}.i32(-5)},
	{"a negative opcode", -11, enc{}},
}

// answer asks for op on a link with the reply given, and returns what the
// driver reads.
func answer(t testing.TB, op int32, reply []byte) (s *Session, got []byte, err error) {
	t.Helper()
	s, conn, tp := opened(t, Options{})
	_, err = conn.Write(requestFrame(7, op, enc{}.str("/a")))
	require.NoError(t, err)
	tp.feed(reply)
	got, err = readFrame(conn)
	assert.Equal(t, err != nil, tp.isClosed())
	return s, got, err
}

func TestValidReplies(t *testing.T) {
	for _, c := range bodies {
		t.Run(c.name, func(t *testing.T) {
			for _, tail := range []string{"", "appended by a newer server, quite some bytes of it, more than the length of a Stat"} {
				reply := replyFrame(7, 5, 0, append(bytes.Clone(c.body), tail...))
				s, got, err := answer(t, c.op, reply)
				require.NoError(t, err)
				assert.Equal(t, reply, got)
				assert.EqualValues(t, 5, s.LastZxid())
			}
		})
	}
}

// A reply that ends early anywhere never reaches the driver. A create may end
// behind its path.
func TestTruncatedReplies(t *testing.T) {
	for _, c := range bodies {
		for n := range len(c.body) {
			if replyLayout(c.op) == "" || replyLayout(c.op) == "s?S" && n == 6 {
				continue
			}
			s, _, err := answer(t, c.op, replyFrame(7, 5, 0, c.body[:n]))
			require.ErrorIs(t, err, ErrMalformed, "%s cut to %d bytes", c.name, n)
			require.EqualValues(t, 1, s.Stats().Malformed)
			require.Zero(t, s.LastZxid())
		}
	}
}

// The body of a failure is not decoded by anyone.
func TestFailuresAreNotValidated(t *testing.T) {
	for _, c := range bodies {
		for _, body := range []enc{nil, enc{}.i32(-7)} {
			_, _, err := answer(t, c.op, replyFrame(7, 5, -101, body))
			assert.NoError(t, err, c.name)
		}
	}
}

// Each of these panics the driver, has it allocate gigabytes or is misread.
func TestMalformedReplies(t *testing.T) {
	const huge = 1<<31 - 1
	for _, c := range []struct {
		name string
		op   int32
		body enc
	}{
		{"data of 2 GiB", opGetData, enc{}.i32(huge).aStat()},
		{"data of -2", opGetData, enc{}.i32(-2).aStat()},
		{"data one byte too long", opGetData, enc{}.i32(69).aStat()},
		{"path of 2 GiB", opCreate, enc{}.i32(huge)},
		{"path of -2", opSync, enc{}.i32(-2)},
		{"2^31-1 children", opGetChildren, enc{}.i32(huge).str("a")},
		{"more children than bytes", opGetChildren, enc{}.i32(3).str("").str("")},
		{"-2 children", opGetChildren2, enc{}.i32(-2).aStat()},
		{"a child of 2 GiB", opGetChildren2, enc{}.i32(1).i32(huge).aStat()},
		{"2^31-1 ACLs", opGetACL, enc{}.i32(huge).aStat()},
		{"more ACLs than bytes", opGetACL, enc{}.i32(7).aStat()},
		{"ACL with an id of -5", opGetACL, enc{}.i32(1).i32(31).str("world").i32(-5).aStat()},
		{"part of a Stat", opCreate2, enc{}.str("/a").zeros(67)},
		{"multi without an end", opMulti, enc{}.result(opDelete, 0, 0)},
		{"multi with an unknown type", opMulti, enc{}.result(99, 0, 0).end()},
		{"multi with a type that was not asked for", opMulti, enc{}.result(opCreate2, 0, 0).str("/a").aStat().end()},
		{"multi with a path of 2 GiB", opMulti, enc{}.result(opCreate, 0, 0).i32(huge).end()},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := answer(t, c.op, replyFrame(7, 5, 0, c.body))
			assert.ErrorIs(t, err, ErrMalformed)
			assert.ErrorContains(t, err, "opcode")
		})
	}
}

// The driver reads a null string or vector as one of 4 GiB; it gets an empty one.
func TestNullsAreMadeEmpty(t *testing.T) {
	for _, c := range []struct {
		name      string
		op        int32
		sent, got enc
	}{
		{"path", opSync, enc{}.i32(-1), enc{}.i32(0)},
		{"children", opGetChildren2, enc{}.i32(-1).aStat(), enc{}.i32(0).aStat()},
		{"child", opGetChildren, enc{}.i32(2).i32(-1).str("b"), enc{}.i32(2).i32(0).str("b")},
		{"ACLs", opGetACL, enc{}.i32(-1).aStat(), enc{}.i32(0).aStat()},
		{"ACL", opGetACL, enc{}.i32(1).i32(1).i32(-1).i32(-1).aStat(), enc{}.i32(1).i32(1).i32(0).i32(0).aStat()},
		{"result", opMulti, enc{}.result(opCreate, 0, 0).i32(-1).end(), enc{}.result(opCreate, 0, 0).i32(0).end()},
		{"but not data, which may be null", opGetData, enc{}.i32(-1).aStat(), enc{}.i32(-1).aStat()},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, got, err := answer(t, c.op, replyFrame(7, 5, 0, c.sent))
			require.NoError(t, err)
			assert.Equal(t, replyFrame(7, 5, 0, c.got), got)
		})
	}
}

func TestWatchEvents(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	answered := s.LastAnswered()
	tp.feed(eventFrame(3, "/a"), replyFrame(xidEvent, 99, 0, enc{}.i32(1).i32(3).i32(-1)))
	got, err := readFrame(conn)
	require.NoError(t, err)
	assert.Equal(t, eventFrame(3, "/a"), got)
	got, err = readFrame(conn)
	require.NoError(t, err)
	assert.Equal(t, replyFrame(xidEvent, 99, 0, enc{}.i32(1).i32(3).i32(0)), got)
	assert.Equal(t, answered, s.LastAnswered(), "an event is no answer")
	assert.Zero(t, s.LastZxid())

	tp.feed(replyFrame(xidEvent, -1, 0, enc{}.i32(1).i32(3).i32(100).str("/a")))
	_, err = readFrame(conn)
	assert.ErrorIs(t, err, ErrMalformed)
	assert.ErrorContains(t, err, "event")
}

func TestValidationDoesNotAllocate(t *testing.T) {
	for _, c := range bodies {
		body := bytes.Clone(c.body)
		assert.Zero(t, testing.AllocsPerRun(100, func() { conforms(replyLayout(c.op), body) }), c.name)
	}
}
