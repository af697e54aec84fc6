package discovery_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

// listing is what the client says of its recipes.
func listing(cli *framework.Client) []string {
	synctest.Wait()
	var all []string
	for _, r := range cli.Recipes() {
		all = append(all, fmt.Sprint(r.Name, " ", r.Path, " ", r.Status.State, " ", r.Attrs))
	}
	return all
}

func TestListingFollowsTheState(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		in := r.Instance().Name
		assert.Equal(t, []string{fmt.Sprintf("registration %s/one standing [service=%s phase=in service]", dir, in)}, listing(cli))
		viewer, other := w.registry("b")
		w.open(other)
		w.Put(dir+"/broken", "{")
		settle()
		require.Len(t, listing(viewer), 1)
		assert.Contains(t, listing(viewer)[0], fmt.Sprintf(
			"service %s fresh [nodes=3 refused=0 instances=1 available=1 skipped=1 ejected=0 skipped_nodes=[%s/broken=", dir, dir))

		disabled := r.Instance()
		disabled.Disabled = true
		require.NoError(t, r.Update(t.Context(), disabled))
		assert.Contains(t, listing(cli)[0], "phase=disabled")
		disabled.Disabled = false
		require.NoError(t, r.Update(t.Context(), disabled))
		done := draining(t.Context(), r, time.Minute)
		assert.Contains(t, listing(cli)[0], "standing [service="+in+" phase=draining]")
		assert.Contains(t, listing(viewer)[0], "instances=1 available=0 skipped=1")
		require.NoError(t, <-done)
		assert.Empty(t, listing(cli))
	})
}

// An ejected instance is listed with its last error and the time until it is readmitted.
func TestEjectedInstancesAreListedWithTheReason(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("client")
		for _, key := range []string{"a", "b", "c"} {
			w.register(reg, instance(key))
		}
		report(w.open(reg), "b", 5)
		time.Sleep(10 * time.Second)
		var attrs string
		for _, r := range cli.Recipes() {
			if r.Name == "service" {
				attrs = fmt.Sprint(r.Attrs)
			}
		}
		assert.Contains(t, attrs, "available=2 skipped=0 ejected=1 ejected_instances=[b=5 errors within 10s, readmitted in 20s: connection refused]")
	})
}
