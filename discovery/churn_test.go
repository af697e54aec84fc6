package discovery_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
)

// Instances come, go, change, fail and are drained while many pick. What is picked is registered, or was a moment ago, and in
// the end the view is what the registry says.
func TestPickWhileEverythingChanges(t *testing.T) {
	for name, strategy := range map[string]func() discovery.Strategy{
		"round robin": discovery.RoundRobin, "random": discovery.Random, "sticky": discovery.Sticky,
		"weighted": discovery.Weighted, "power of two": discovery.PowerOfTwo,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, reg := w.registry("a", discovery.WithWeight(func(in *discovery.Instance[meta]) float64 { return float64(in.Port % 3) }))
				svc := w.open(reg, discovery.WithStrategy(strategy()), discovery.WithEjection(discovery.Ejection{Errors: 2, Duration: time.Second}))
				stop := make(chan struct{})
				var pickers sync.WaitGroup
				for range 4 {
					pickers.Go(func() { pickUntil(t, stop, svc) })
				}
				churn(t, w, reg, 60)
				close(stop)
				pickers.Wait()
				require.NoError(t, svc.WaitFresh(t.Context()))
				settle()
				assert.Equal(t, w.List(dir), shown(svc))
				for e := range svc.Instances() {
					assert.Zero(t, e.Load(), e.Key())
					assert.Equal(t, w.read(dir+"/"+e.Key()), e.Instance)
				}
			})
		})
	}
}

// pickUntil picks again and again, in a bubble. Every tenth use fails.
func pickUntil(t *testing.T, stop <-chan struct{}, svc *discovery.Service[meta]) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		e, err := svc.Pick()
		if err != nil {
			assert.ErrorIs(t, err, discovery.ErrNoInstances)
			continue
		}
		assert.False(t, e.Disabled)
		if i%10 == 0 {
			err = errors.New("it failed")
		}
		e.Done(err)
	}
}

// churn changes what is registered, n times.
func churn(t *testing.T, w *world, reg *discovery.Registry[meta], n int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	registered := map[string]*discovery.Registration[meta]{}
	for range n {
		id := fmt.Sprint(rnd.IntN(12))
		in := instance(id)
		in.Port, in.Disabled = 1+rnd.IntN(9), rnd.IntN(4) == 0
		r, there := registered[id]
		switch {
		case !there:
			registered[id] = w.register(reg, in)
		case rnd.IntN(3) > 0:
			require.NoError(t, r.Update(t.Context(), in))
		case rnd.IntN(2) == 0:
			require.NoError(t, r.Drain(t.Context(), 10*time.Millisecond))
			delete(registered, id)
		default:
			require.NoError(t, r.Close(t.Context()))
			delete(registered, id)
		}
	}
}
