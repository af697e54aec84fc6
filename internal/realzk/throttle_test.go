package realzk

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProxyThrottlesEachConnection(t *testing.T) {
	p := NewProxy(t, newEcho(t).Addr().String())
	c, other := talkTo(t, p.Addr()), talkTo(t, p.Addr())
	p.Throttle(1 << 20)
	begin := time.Now()
	c.say(strings.Repeat("x", 1<<18)) // a quarter of a second there, and the other way meanwhile
	_, err := c.lines.ReadByte()
	require.NoError(t, err)
	first := time.Since(begin)
	other.say("quick")
	other.hear("quick")
	_, err = io.CopyN(io.Discard, c.lines, 1<<18)
	require.NoError(t, err)
	whole := time.Since(begin)
	assert.GreaterOrEqual(t, whole, 250*time.Millisecond)
	assert.Less(t, first, whole/2, "the first bytes do not wait for the last")

	p.Throttle(100)
	c.say(strings.Repeat("y", 1<<10))
	require.NoError(t, p.Heal())
	c.hear(strings.Repeat("y", 1<<10))
}
