package discovery_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"github.com/docent-zk/docent/discovery"
)

// light gives a weight to the instances with these ids only.
func light(ids ...string) discovery.Option[meta] {
	return discovery.WithWeight(func(in *discovery.Instance[meta]) float64 {
		for _, id := range ids {
			if in.ID == id {
				return 1
			}
		}
		return 0
	})
}

// An instance without a weight gets nothing while others have one: whatever zones are preferred and whoever has errors.
func TestWithoutWeightNothing(t *testing.T) {
	for name, strategy := range map[string]func() discovery.Strategy{"Weighted": discovery.Weighted, "PowerOfTwo": discovery.PowerOfTwo} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				zone := discovery.WithZone(func(in *discovery.Instance[meta]) string {
					return map[bool]string{true: "near", false: "far"}[in.ID[0] == 'd']
				})
				_, reg := w.registry("a", light("live"), zone)
				for _, id := range []string{"live", "dark1", "dark2"} {
					w.register(reg, instance(id))
				}
				only := func(svc *discovery.Service[meta], want ...string) {
					t.Helper()
					assert.Equal(t, want, names(picked(t, svc, 300)))
				}
				svc := w.open(reg, discovery.WithStrategy(strategy()))
				only(svc, "live")
				only(w.open(reg, discovery.WithStrategy(strategy()), discovery.PreferZone("near")), "live")
				only(w.open(reg, discovery.WithStrategy(strategy()), discovery.PreferZone("far")), "live")
				report(svc, "live", 50)
				synctest.Wait()
				only(svc, "live")
				_, none := w.registry("b", light(), zone)
				only(w.open(none, discovery.WithStrategy(strategy())), "dark1", "dark2", "live")
				only(w.open(none, discovery.WithStrategy(strategy()), discovery.PreferZone("near")), "dark1", "dark2")
			})
		})
	}
}

// One that hangs gets no more calls, even if there are no weights.
func TestLoadDecidesWithoutWeights(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a", light())
		w.register(reg, instance("hangs"))
		w.register(reg, instance("works"))
		svc := w.open(reg, discovery.WithStrategy(discovery.PowerOfTwo()))
		counts := map[string]int{}
		for range 1000 {
			e, err := svc.Pick()
			assert.NoError(t, err)
			if counts[e.ID]++; e.ID == "works" {
				e.Done(nil)
			}
		}
		assert.LessOrEqual(t, counts["hangs"], 1)
	})
}
