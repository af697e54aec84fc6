package discovery_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/discovery"
)

// slow is a codec that reads nothing while it is held.
type slow struct {
	discovery.Codec[meta]
	held chan chan struct{} // what is in it is waited for by the next read
}

// Decode waits as long as it has to.
func (s slow) Decode(data []byte) (discovery.Instance[meta], error) {
	select {
	case until := <-s.held:
		<-until
	default:
	}
	return s.Codec.Decode(data)
}

// Whoever waits for a view does so no longer than he wants to, also while a codec does not return.
func TestWaitFreshWhileACodecIsSlow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		codec := slow{discovery.JSON[meta](), make(chan chan struct{}, 1)}
		_, reg := w.registry("a", discovery.WithCodec[meta](codec))
		w.register(reg, instance("one"))
		svc := w.open(reg)
		until := make(chan struct{})
		codec.held <- until
		w.register(reg, instance("two"))
		refused := func() {
			err := svc.WaitFresh(within(t, 4*time.Second))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, cache.ErrStale)
			require.ErrorContains(t, err, "service orders")
		}
		refused()
		later := make(chan struct{})
		codec.held <- later
		w.register(reg, instance("three"))
		time.AfterFunc(2*time.Second, func() { close(until) }) // then it is the turn of the one who waits, or of the change
		refused()
		close(later)
		require.NoError(t, svc.WaitFresh(within(t, time.Minute)))
		assert.Equal(t, []string{"one", "three", "two"}, shown(svc))
	})
}
