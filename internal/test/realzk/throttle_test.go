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
	c.hear(strings.Repeat("x", 1<<18))
	assert.GreaterOrEqual(t, time.Since(begin), 250*time.Millisecond)

	p.Throttle(1 << 10)
	c.say(strings.Repeat("z", 1<<18)) // minutes
	_, err := c.lines.ReadByte()
	require.NoError(t, err, "the first bytes do not wait for the last")
	other.say("quick")
	other.hear("quick")
	require.NoError(t, p.Heal())
	_, err = io.CopyN(io.Discard, c.lines, 1<<18)
	require.NoError(t, err)

	p.Throttle(100)
	c.say(strings.Repeat("y", 1<<10))
	require.NoError(t, p.Heal())
	c.hear(strings.Repeat("y", 1<<10))
}
