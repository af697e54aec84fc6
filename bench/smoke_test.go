package bench

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every contest is held once in the ordinary tests, so that none breaks unseen.
func TestContests(t *testing.T) {
	withCallers := func(c func(testing.TB, place, int) contest) func(testing.TB, place) contest {
		return func(tb testing.TB, p place) contest { return c(tb, p, 16) }
	}
	for name, prepare := range map[string]func(testing.TB, place) contest{
		"Get":           withCallers(get),
		"Set":           withCallers(set),
		"Create":        withCallers(create),
		"Children":      withCallers(children),
		"Lock":          lockFree,
		"HandOver":      handOver,
		"Sharing":       func(tb testing.TB, p place) contest { return sharing(tb, p, most[0]) },
		"LeaderResigns": leaderResigns,
		"LeaderExpires": leaderExpires,
	} {
		t.Run(name, func(t *testing.T) {
			const n = 7 // leaves some turns empty
			c := prepare(t, onZktest(t))
			docent, bare, err := c.hold(n)
			require.NoError(t, err)
			assert.Positive(t, docent.time)
			assert.Equal(t, c.bare != nil, bare.time > 0)
		})
	}
}
