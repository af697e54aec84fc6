package wire

import (
	"bytes"
	"errors"
	"io"
	"math/rand"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFrameLengths(t *testing.T) {
	for _, c := range []struct {
		name string
		in   enc
		want string
	}{
		{"negative", enc{}.i32(-1), "-1 bytes claimed"},
		{"zero", enc{}.i32(0), "0 bytes claimed"},
		{"no room for a header", enc{}.i32(15).zeros(15), "15 bytes claimed"},
		{"beyond the limit", enc{}.i32(1001), "1001 bytes claimed, 16 to 1000 allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, conn, tp := opened(t, Options{MaxFrame: 1000})
			tp.feed(c.in)
			_, err := readFrame(conn)
			assert.ErrorIs(t, err, ErrMalformed)
			assert.ErrorContains(t, err, c.want)
			assert.True(t, tp.isClosed())
		})
	}
}

func TestLongestFrame(t *testing.T) {
	_, conn, tp := opened(t, Options{MaxFrame: 1 << 20})
	data := bytes.Repeat([]byte("x"), 1<<20-replyHeaderLen-4-statLen)
	exchange(t, conn, tp, requestFrame(1, opGetData, nil), replyFrame(1, 1, 0, enc{}.str(string(data)).aStat()))
}

// grown runs f and returns how many bytes it allocated in all.
func grown(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A claim costs nothing: memory follows what has arrived.
func TestClaimedLengthIsNotAllocated(t *testing.T) {
	const most = 1<<31 - 1 - prefixLen // just under 2 GiB
	_, conn, tp := opened(t, Options{MaxFrame: 1<<31 - 1})
	tp.feed(enc{}.i32(most).zeros(100_000))
	got := grown(func() {
		for range 50 {
			_, err := conn.Read(make([]byte, 4))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		}
	})
	assert.Less(t, got, uint64(600_000))
}

// A buffer that grew for one frame is given back, an ordinary one is kept.
func TestBufferShrinks(t *testing.T) {
	var f frameReader
	long := enc{}.zeros(1 << 20).frame()
	_, err := f.next(bytes.NewReader(long), 1, 1<<21)
	require.NoError(t, err)
	assert.Greater(t, len(f.buf), 1<<20)
	for range 3 {
		_, err = f.next(bytes.NewReader(pingFrame), 1, 1<<21)
		require.NoError(t, err)
		assert.Equal(t, readBufferLen, len(f.buf))
	}
}

// However the stream is cut, the same frames come out.
func TestFramesInAnyChunks(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 50 {
		var stream []byte
		var want [][]byte
		for range 50 {
			b := enc{}.zeros(1 + rng.Intn(1+rng.Intn(20_000))).frame()
			rng.Read(b[prefixLen:])
			want, stream = append(want, b), append(stream, b...)
		}
		var f frameReader
		src := &chunks{rest: stream, rng: rng, most: 1 + rng.Intn(40_000)}
		for i, w := range want {
			got, err := f.next(src, 1, 1<<20)
			require.NoError(t, err)
			require.True(t, bytes.Equal(w, got), "frame %d", i)
		}
		_, err := f.next(src, 1, 1<<20)
		require.Equal(t, io.EOF, err)
	}
}

// chunks reads at random lengths, sometimes nothing, sometimes with the end at once.
type chunks struct {
	rest []byte
	rng  *rand.Rand
	most int
}

func (c *chunks) Read(p []byte) (int, error) {
	n := copy(p, c.rest[:min(len(c.rest), c.rng.Intn(c.most+1))])
	c.rest = c.rest[n:]
	if len(c.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}

type mute struct{}

func (mute) Read([]byte) (int, error) { return 0, nil }

func TestEndsOfTheStream(t *testing.T) {
	t.Run("between frames", func(t *testing.T) {
		_, conn, tp := opened(t, Options{})
		tp.hangUp(io.EOF)
		for range 2 {
			_, err := conn.Read(make([]byte, 4))
			assert.ErrorIs(t, err, io.EOF)
			assert.ErrorIs(t, err, ErrHungUp)
		}
		assert.True(t, tp.isClosed())
		_, err := conn.Write(pingFrame)
		assert.Error(t, err)
	})
	t.Run("inside a frame", func(t *testing.T) {
		_, conn, tp := opened(t, Options{})
		tp.feed(eventFrame(1, "/a")[:10])
		tp.hangUp(io.EOF)
		_, err := conn.Read(make([]byte, 4))
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
		assert.ErrorContains(t, err, "127.0.0.1:2181")
	})
	t.Run("reset", func(t *testing.T) {
		reset := errors.New("connection reset by peer")
		_, conn, tp := opened(t, Options{})
		_, err := conn.Write(pingFrame)
		require.NoError(t, err)
		tp.feed(replyFrame(xidPing, 9, 0, nil))
		tp.hangUp(reset)
		_, err = readFrame(conn)
		require.NoError(t, err, "what had arrived before")
		_, err = readFrame(conn)
		assert.ErrorIs(t, err, reset)
	})
	t.Run("no progress", func(t *testing.T) {
		var f frameReader
		_, err := f.next(mute{}, 1, 10)
		assert.Equal(t, io.ErrNoProgress, err)
	})
}

// One read of the socket serves all replies that have arrived.
func TestOneReadServesMany(t *testing.T) {
	_, conn, tp := opened(t, Options{})
	var burst []byte
	for xid := range int32(100) {
		_, err := conn.Write(requestFrame(xid, opGetData, nil))
		require.NoError(t, err)
		burst = append(burst, replyFrame(xid, 1, 0, enc{}.i32(-1).aStat())...)
	}
	tp.feed(burst)
	before := tp.reads
	for range 100 {
		_, err := readFrame(conn)
		require.NoError(t, err)
	}
	assert.Equal(t, 1, tp.reads-before)
}

// Reading a frame in tiny pieces does not look at the next one.
func TestReadInTinyPieces(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	for range 2 {
		_, err := conn.Write(pingFrame)
		require.NoError(t, err)
	}
	first, second := replyFrame(xidPing, 7, 0, nil), replyFrame(xidPing, 9, 0, nil)
	tp.feed(append(bytes.Clone(first), second...))
	var got []byte
	for range first {
		b := make([]byte, 1)
		n, err := conn.Read(b)
		require.NoError(t, err)
		got = append(got, b[:n]...)
		n, err = conn.Read(nil)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	assert.Equal(t, first, got)
	assert.EqualValues(t, 7, s.LastZxid(), "the driver has not asked for the second reply yet")
	got, err := readFrame(conn)
	require.NoError(t, err)
	assert.Equal(t, second, got)
	assert.EqualValues(t, 9, s.LastZxid())
}

func TestWritesInAnyPieces(t *testing.T) {
	_, conn, tp := opened(t, Options{})
	one, two := requestFrame(1, opGetData, enc{}.str("/a").flag(0)), requestFrame(2, opDelete, enc{}.str("/b").i32(-1))
	stream := append(append(bytes.Clone(one), two...), pingFrame...)
	for size := 1; size <= len(stream); size++ {
		for rest := stream; len(rest) > 0; {
			n, err := conn.Write(rest[:min(size, len(rest))])
			require.NoError(t, err)
			require.Equal(t, min(size, len(rest)), n)
			rest = rest[n:]
		}
		require.Equal(t, [][]byte{one, two, pingFrame}, tp.written(t), "pieces of %d", size)
	}
}

func TestInvalidFrameFromTheDriverEndsTheLink(t *testing.T) {
	for _, b := range []enc{enc{}.i32(-1), enc{}.i32(7).zeros(7), enc{}.i32(maxRequestLen + 1)} {
		_, conn, tp := opened(t, Options{})
		_, err := conn.Write(b[:2])
		require.NoError(t, err)
		_, err = conn.Write(b[2:])
		assert.ErrorContains(t, err, "invalid frame")
		assert.True(t, tp.isClosed())

		_, conn, _ = opened(t, Options{})
		_, err = conn.Write(b)
		assert.ErrorContains(t, err, "invalid frame")
	}
}

func TestWriteFailureEndsTheLink(t *testing.T) {
	onLane(t, Options{}, func(t *testing.T, l *lane) {
		l.line.set(func() { l.line.broken = errTest })
		l.ping()
		time.Sleep(maxGrace)
		assert.ErrorIs(t, l.dead(), errTest)
		assert.True(t, l.line.closed)
		_, err := l.conn.Write(pingFrame)
		assert.ErrorIs(t, err, errTest)
		l.dial()
		l.alive()
	})
}

func TestStats(t *testing.T) {
	s, conn, tp := opened(t, Options{})
	before := s.Stats()
	exchange(t, conn, tp, pingFrame, replyFrame(xidPing, 1, 0, nil))
	after := s.Stats()
	assert.EqualValues(t, 1, after.FramesIn-before.FramesIn)
	assert.EqualValues(t, 1, after.FramesOut-before.FramesOut)
	assert.EqualValues(t, 20, after.BytesIn-before.BytesIn)
	assert.EqualValues(t, 12, after.BytesOut-before.BytesOut)
	assert.Equal(t, Stats{Links: 1, FramesIn: 2, FramesOut: 2, Writes: 2, BytesIn: 60, BytesOut: 61}, after)
}
