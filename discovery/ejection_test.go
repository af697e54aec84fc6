package discovery_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
)

var errCall = errors.New("connection refused")

// crowd registers n instances, "a", "b" and so on, and views them.
func (w *world) crowd(n int, opts ...discovery.ServiceOption) (*discovery.Service[meta], []*discovery.Registration[meta]) {
	w.t.Helper()
	_, reg := w.registry("client")
	var all []*discovery.Registration[meta]
	for i := range n {
		all = append(all, w.register(reg, instance(string(rune('a'+i)))))
	}
	return w.open(reg, opts...), all
}

// report reports errors of an instance, in a bubble, and waits for what comes of them.
func report(svc *discovery.Service[meta], key string, n int) {
	for e := range svc.Instances() {
		if e.Key() == key {
			for range n {
				e.Report(errCall)
			}
		}
	}
	synctest.Wait()
}

func available(svc *discovery.Service[meta]) []string { return keys(slices.Collect(svc.Available())) }

func TestEjection(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc, _ := w.crowd(3)
		report(svc, "b", 4)
		for e := range svc.Instances() {
			e.Report(nil)
		}
		assert.Equal(t, []string{"a", "b", "c"}, available(svc), "four errors are not five")
		report(svc, "b", 1)
		assert.Equal(t, []string{"a", "c"}, available(svc))
		assert.Equal(t, []string{"a", "b", "c"}, shown(svc))
		assert.Equal(t, []string{"a", "c"}, names(picked(t, svc, 100)))
		time.Sleep(29 * time.Second)
		report(svc, "b", 100) // of calls that were under way
		assert.Equal(t, []string{"a", "c"}, available(svc))
		time.Sleep(1100 * time.Millisecond)
		assert.Equal(t, []string{"a", "b", "c"}, available(svc), "let back")
		report(svc, "b", 4)
		assert.Equal(t, []string{"a", "b", "c"}, available(svc), "its errors are forgotten")
	})
}

// Errors count only together.
func TestEjectionWindow(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc, _ := w.crowd(3, discovery.WithEjection(discovery.Ejection{Errors: 2, Window: time.Second, Duration: time.Minute}))
		for range 20 {
			report(svc, "a", 1)
			time.Sleep(1001 * time.Millisecond)
		}
		assert.Equal(t, []string{"a", "b", "c"}, available(svc))
		report(svc, "a", 1)
		time.Sleep(time.Second)
		report(svc, "a", 1)
		assert.Equal(t, []string{"b", "c"}, available(svc))
		time.Sleep(59 * time.Second)
		assert.Equal(t, []string{"b", "c"}, available(svc))
		time.Sleep(2 * time.Second)
		assert.Equal(t, []string{"a", "b", "c"}, available(svc))
	})
}

func TestEjectionIsSwitchedOff(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc, _ := w.crowd(3, discovery.WithEjection(discovery.Ejection{Errors: -1}))
		report(svc, "a", 100)
		assert.Equal(t, []string{"a", "b", "c"}, available(svc))
	})
}

// Never are all out, nor more than the share.
func TestEjectionLimit(t *testing.T) {
	for _, c := range []struct {
		n     int
		share float64
		most  int
	}{{1, 0, 0}, {2, 0, 1}, {3, 0, 1}, {4, 0, 2}, {1, 0.999, 0}, {3, 0.999, 2}, {10, 0.25, 2}, {10, 0.05, 0}} {
		t.Run(fmt.Sprintf("%d, %v", c.n, c.share), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				svc, _ := w.crowd(c.n, discovery.WithEjection(discovery.Ejection{Errors: 1, MaxShare: c.share}))
				for _, key := range shown(svc) {
					report(svc, key, 3)
				}
				assert.Len(t, available(svc), c.n-c.most)
			})
		})
	}
}

// When instances go, those that were put out first are let back.
func TestEjectionLimitWhenInstancesGo(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc, all := w.crowd(4, discovery.WithEjection(discovery.Ejection{Errors: 1, Duration: time.Hour}))
		report(svc, "c", 1)
		time.Sleep(time.Second)
		report(svc, "a", 1)
		assert.Equal(t, []string{"b", "d"}, available(svc))
		require.NoError(t, all[3].Close(t.Context()))
		settle()
		assert.Equal(t, []string{"b", "c"}, available(svc))
		in := instance("b")
		in.Disabled = true
		require.NoError(t, all[1].Update(t.Context(), in))
		settle()
		assert.Equal(t, []string{"c"}, available(svc), "one of two may be out")
		require.NoError(t, all[2].Close(t.Context()))
		settle()
		assert.Equal(t, []string{"a"}, available(svc), "the last one never")
	})
}

// Whoever is let back is where it was, in the order of the keys.
func TestEjectionKeepsTheOrder(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc, all := w.crowd(4, discovery.WithEjection(discovery.Ejection{Errors: 1, Duration: time.Hour}))
		report(svc, "a", 1)
		report(svc, "b", 1)
		require.NoError(t, all[3].Close(t.Context()))
		settle()
		assert.Equal(t, []string{"a", "c"}, available(svc))
	})
}

// Errors from before are forgotten, also those that are not long ago.
func TestEjectionForgets(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc, _ := w.crowd(3, discovery.WithEjection(discovery.Ejection{Errors: 2, Window: time.Minute, Duration: time.Second}))
		report(svc, "a", 2)
		assert.Equal(t, []string{"b", "c"}, available(svc))
		time.Sleep(1100 * time.Millisecond)
		report(svc, "a", 1)
		assert.Equal(t, []string{"a", "b", "c"}, available(svc))
		report(svc, "a", 1)
		assert.Equal(t, []string{"b", "c"}, available(svc))
	})
}

// An instance that is out of service is not put out on top of that.
func TestEjectionOfTheDisabled(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc, all := w.crowd(3, discovery.WithEjection(discovery.Ejection{Errors: 1, Duration: time.Hour}))
		in := instance("a")
		in.Disabled = true
		require.NoError(t, all[0].Update(t.Context(), in))
		settle()
		report(svc, "a", 1)
		require.NoError(t, all[0].Update(t.Context(), instance("a")))
		settle()
		assert.Equal(t, []string{"a", "b", "c"}, available(svc))
	})
}

// An instance that could not be put out for want of room is put out by its next error when there is room.
func TestEjectionWhenThereIsRoom(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc, _ := w.crowd(2, discovery.WithEjection(discovery.Ejection{Errors: 2, Duration: 5 * time.Second}))
		report(svc, "a", 2)
		report(svc, "b", 7)
		assert.Equal(t, []string{"b"}, available(svc))
		time.Sleep(5100 * time.Millisecond)
		assert.Equal(t, []string{"a", "b"}, available(svc))
		report(svc, "b", 1)
		assert.Equal(t, []string{"a"}, available(svc))
	})
}

// What was put out stays out when the instance is updated, and when others come.
func TestEjectionOutlivesUpdates(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc, all := w.crowd(3, discovery.WithEjection(discovery.Ejection{Errors: 1}))
		report(svc, "a", 1)
		in := instance("a")
		in.Port = 1
		require.NoError(t, all[0].Update(t.Context(), in))
		_, reg := w.registry("other")
		w.register(reg, instance("x"))
		assert.Equal(t, []string{"a", "b", "c", "x"}, shown(svc))
		assert.Equal(t, []string{"b", "c", "x"}, available(svc))
	})
}

// Done ends a use; its error counts.
func TestDone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		svc, all := w.crowd(2, discovery.WithEjection(discovery.Ejection{Errors: 2}), discovery.WithStrategy(discovery.Sticky()))
		one, err := svc.Pick()
		require.NoError(t, err)
		two, err := svc.Pick()
		require.NoError(t, err)
		assert.Equal(t, int64(2), one.Load())
		in := instance(one.Key())
		in.Port = 1
		for _, r := range all {
			if r.Instance().ID == one.Key() {
				require.NoError(t, r.Update(t.Context(), in))
			}
		}
		settle()
		now, err := svc.Pick()
		require.NoError(t, err)
		assert.Equal(t, 1, now.Port)
		assert.Equal(t, int64(3), now.Load(), "an update does not end what is under way")
		one.Done(errCall)
		two.Done(errCall)
		settle()
		assert.Equal(t, int64(1), now.Load())
		assert.NotContains(t, available(svc), one.Key())
		now.Done(nil)
		assert.Zero(t, now.Load())
	})
}

// At the end nobody is put out any more, and whoever is out is let back.
func TestEjectionAtTheEnd(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		for _, id := range []string{"a", "b", "c"} {
			w.register(reg, instance(id))
		}
		svc := w.open(reg, discovery.WithEjection(discovery.Ejection{Errors: 1}))
		report(svc, "a", 1)
		assert.Equal(t, []string{"b", "c"}, available(svc))
		require.NoError(t, cli.Close())
		settle()
		assert.Equal(t, []string{"a", "b", "c"}, available(svc))
		report(svc, "a", 1)
		assert.Equal(t, []string{"a", "b", "c"}, available(svc))
		require.NoError(t, svc.Close())
		report(svc, "a", 1)
		_, err := svc.Pick()
		require.ErrorIs(t, err, discovery.ErrServiceClosed)
	})
}

// Zones are preferred among those who are in.
func TestPreferZone(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a", discovery.WithZone(func(in *discovery.Instance[meta]) string { return in.Payload.Zone }))
		var all []*discovery.Registration[meta]
		for id, zone := range map[string]string{"a": "near", "b": "near", "c": "far", "d": ""} {
			in := instance(id)
			in.Payload.Zone = zone
			all = append(all, w.register(reg, in))
		}
		svc := w.open(reg, discovery.PreferZone("near"), discovery.WithEjection(discovery.Ejection{Errors: 1}))
		assert.Equal(t, []string{"a", "b"}, available(svc))
		report(svc, "a", 1)
		assert.Equal(t, []string{"b"}, available(svc))
		report(svc, "b", 1)
		assert.Equal(t, []string{"c", "d"}, available(svc), "if there is none, the others")
		everywhere, nowhere := w.open(reg), w.open(reg, discovery.PreferZone("moon"))
		assert.Len(t, available(everywhere), 4)
		assert.Len(t, available(nowhere), 4)
		assert.Equal(t, []string{"a", "b", "c", "d"}, shown(svc))
		assert.Equal(t, framework.Rebuild, svc.Policy().OnLost)
		assert.Equal(t, framework.Hold, all[0].Policy().OnSuspended)
	})
}

// Weights that are none count as 0, and that is the weight of a candidate.
func TestWeights(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a", discovery.WithWeight(func(in *discovery.Instance[meta]) float64 {
			return map[string]float64{"inf": math.Inf(1), "nan": math.NaN(), "minus": -1, "one": 1}[in.ID]
		}))
		for _, id := range []string{"inf", "nan", "minus", "one"} {
			w.register(reg, instance(id))
		}
		for _, s := range []discovery.Strategy{discovery.Weighted(), discovery.PowerOfTwo()} {
			svc := w.open(reg, discovery.WithStrategy(s))
			seen := picked(t, svc, 200)
			assert.Positive(t, seen["one"])
			for e := range svc.Instances() {
				assert.Equal(t, e.Key() == "one", e.Weight() == 1, e.Key())
			}
		}
		assert.Equal(t, map[string]int{"one": 50}, picked(t, w.open(reg, discovery.WithStrategy(discovery.Weighted())), 50))
		assert.Equal(t, 1.0, slices.Collect(w.open(discovery.New[meta](w.Connect("b"), base)).Instances())[0].Weight(), "by default")
	})
}
