package wire

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The first reply of a link is compared with what was seen before it, in earlier Sessions too. If it is older, zxids count anew.
func TestZxidsThatGoBack(t *testing.T) {
	regresses := 0
	s := NewSession(Options{SeenZxid: 100, OnRegress: func() { regresses++ }})
	for _, c := range []struct {
		zxids     []int64 // on one link
		last      int64
		regresses int
	}{
		{[]int64{0, -1}, 0, 0}, // they say nothing
		{[]int64{0, 50}, 50, 1},
		{[]int64{60, 55, 61}, 61, 1},
		{[]int64{61}, 61, 1},
		{[]int64{59, 58}, 59, 2},
		{[]int64{70}, 70, 2},
	} {
		conn, tp := shake(t, s, 0, s.ID())
		for _, zxid := range c.zxids {
			exchange(t, conn, tp, pingFrame, replyFrame(xidPing, zxid, 0, nil))
		}
		assert.Equal(t, c.last, s.LastZxid(), "after %d", c.zxids)
		assert.Equal(t, c.regresses, regresses, "after %d", c.zxids)
	}
	s, conn, tp := opened(t, Options{SeenZxid: 100})
	exchange(t, conn, tp, pingFrame, replyFrame(xidPing, 99, 0, nil)) // nobody wants to know
	assert.EqualValues(t, 99, s.LastZxid())
}
