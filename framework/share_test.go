package framework

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func numbered(from, to int) (list []target) {
	for i := from; i < to; i++ {
		name := fmt.Sprintf("zk%d:2181", i)
		list = append(list, target{name, name})
	}
	return list
}

// Clients that were spread evenly over the servers before the list changes are so afterwards, and no more of them move than have to.
func TestMovesKeepServersEven(t *testing.T) {
	const each = 3000
	for _, c := range []struct {
		name          string
		before, after []target
		share         float64 // of the clients that has to move
	}{
		{"one more", numbered(0, 3), numbered(0, 4), 1.0 / 4},
		{"twice as many", numbered(0, 3), numbered(0, 6), 1.0 / 2},
		{"one less", numbered(0, 5), numbered(0, 4), 1.0 / 5},
		{"one replaced", numbered(0, 3), numbered(1, 4), 1.0 / 3},
		{"one less and one replaced", numbered(0, 5), numbered(2, 6), 2.0 / 5},
		{"two more and one replaced", numbered(0, 3), numbered(1, 6), 3.0 / 5},
		{"all others", numbered(0, 3), numbered(3, 6), 1},
		{"the same", numbered(0, 3), numbered(0, 3), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			rnd, count, moved := rand.New(rand.NewPCG(1, 2)), make(map[target]int), 0
			for _, from := range c.before {
				for range each {
					to := from
					if targets := moves(c.before, c.after, from, rnd.Float64()); len(targets) > 0 {
						to = drawn(rnd, targets, c.before)
						moved++
					}
					count[to]++
				}
			}
			clients := float64(each * len(c.before))
			assert.Len(t, count, len(c.after))
			for _, server := range c.after {
				assert.InEpsilon(t, clients/float64(len(c.after)), count[server], 0.06, "%v", server)
			}
			assert.InDelta(t, c.share, float64(moved)/clients, 0.02, "share of the clients that moved")
		})
	}
}

// drawn is one of the targets that are to be tried first: those of the same kind as the first one, which was or was not there before.
func drawn(rnd *rand.Rand, targets, before []target) target {
	known := func(t target) bool {
		for _, b := range before {
			if b == t {
				return true
			}
		}
		return false
	}
	n := 1
	for n < len(targets) && known(targets[n]) == known(targets[0]) {
		n++
	}
	return targets[rnd.IntN(n)]
}

// A server that is listed neither before nor after is left like any other.
func TestMovesFromAServerThatIsNotListed(t *testing.T) {
	list := numbered(0, 3)
	assert.ElementsMatch(t, list, moves(list, list, target{"spare:2181", "spare:2181"}, 0.5))
	assert.Empty(t, moves(nil, nil, target{}, 0.5))
}

// A connection to one server is not taken for one to a server that is dialled for a move at the same time.
func TestDialsOfMovesDoNotCountAsConnections(t *testing.T) {
	h := testHosts(2, func(c *Config) {
		c.Dialer = func(context.Context, string, string) (net.Conn, error) { return new(net.TCPConn), nil }
	})
	a, b := target{h.names[0], h.names[0]}, target{h.names[1], h.names[1]}
	h.use(a, false)
	next, err := h.dialTo(t.Context(), b)
	require.NoError(t, err)
	assert.Equal(t, b, next.target)
	h.established(time.Now())
	serving, _ := h.serving()
	assert.Equal(t, a, serving)
	assert.Equal(t, T/6, h.handshakeLimit(unlimited))
	h.use(b, true)
	assert.Equal(t, T/8, h.handshakeLimit(T), "time is left for another server")
}

func TestMoveIsLeftOrAbandoned(t *testing.T) {
	var p pause
	assert.True(t, p.leave())
	assert.True(t, p.left())
	assert.False(t, p.abandon())
	p.state.Store(waiting)
	assert.True(t, p.abandon())
	assert.False(t, p.leave())
	assert.False(t, p.left())
}

func TestHomesOfSessionsInARowAreEven(t *testing.T) {
	all, count := numbered(0, 3), make(map[target]int)
	for _, server := range []int64{1, 2, 255} { // whose number is in the highest bits
		for n := range int64(20) {
			count[home(server<<56|0x19d<<24+n, all)]++
		}
	}
	for _, n := range count {
		assert.InDelta(t, 20, n, 3)
	}
}
