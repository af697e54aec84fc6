package recipes_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

// namesReply reports whether a report on health says which reply is on its way and how much of it has come.
func namesReply(health string) bool {
	return strings.Contains(health, "/dir") && strings.Contains(health, "bytes")
}

// A list that takes 14.7 of 15 s ends what is held, because that counts whole answers. The connection is left alone, and whoever asks
// for its health is told what is on its way.
func TestListThatIsTooSlowForClaims(t *testing.T) {
	onSlowLine(t, 150_000, func(s *stage, cli *framework.Client, d *tenancy) {
		before := s.server.ClientCounts("slow").Accepted
		lists, named := 0, 0
		for range 2 {
			answered(s.T, cli)
			held := len(d.terms().ends())
			look := time.AfterFunc(13*time.Second, func() {
				assert.Equal(s, held+2, len(d.terms().ends()), "trust is over, and with it both claims")
				health := cli.HealthWithin(framework.HealthBounds{Silence: slowTimeout / 2}).String()
				if namesReply(health) {
					named++
				}
				s.Log(health)
			})
			took, err := s.list(cli, 2)
			look.Stop()
			if assert.NoError(s, err) {
				assert.InDelta(s, 14.7, took.Seconds(), 0.2)
				lists++
			}
		}
		breaks := s.server.ClientCounts("slow").Accepted - before
		s.Logf("%d lists of 2 arrived; %d breaks, %d terms lost; Health named the reply %d times", lists, breaks, len(d.terms().ends()), named)
		assert.Zero(s, breaks, "docent itself breaks nothing")
		assert.Equal(s, 2, named, "Health names the path and the bytes")
		for _, cause := range d.terms().ends() {
			assert.ErrorIs(s, cause, framework.ErrUntrusted)
		}
	})
}

// The same on a real server: the list takes 7.2 of 9 s, and trust lasts for 5.4 s.
func TestRealListThatIsTooSlowForClaims(t *testing.T) {
	t.Parallel()
	proxy, cli := realSlowLine(t, slowSession*2/5)
	d := dwell(t, cli)
	before := proxy.Accepted()
	proxy.Throttle(listed / 4 * 55 * 10 / 72)
	answered(t, cli)
	health := make(chan string, 1)
	look := time.AfterFunc(slowSession*2/3, func() { health <- cli.HealthWithin(framework.HealthBounds{Silence: slowSession / 2}).String() })
	defer look.Stop()
	list, _, err := cli.Children(t.Context(), "/dir")
	require.NoError(t, proxy.Heal())
	require.NoError(t, err)
	assert.Len(t, list, listed/4)
	text := <-health
	t.Log(text)
	assert.True(t, namesReply(text), "Health names the path and the bytes")
	assert.Equal(t, before, proxy.Accepted(), "docent itself breaks nothing")
	ends := d.first.ends()
	require.Len(t, ends, 2, "both claims have ended")
	for _, cause := range ends {
		assert.ErrorIs(t, cause, framework.ErrUntrusted)
	}
}
