package discovery_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/zktest"
)

// entry is the data of an instance's node.
func entry(port int, disabled bool, zone string) []byte {
	return fmt.Appendf(nil, `{"address":"10.0.0.1","port":%d,"enabled":%t,"payload":{"zone":%q}}`, port, !disabled, zone)
}

// fill creates n instances at the server.
func (w *world) fill(n int) {
	w.t.Helper()
	w.Put(dir, "")
	for i := range n {
		_, err := w.Create(fmt.Sprintf("%s/%05d", dir, i), entry(1, false, ""), zktest.Persistent)
		require.NoError(w.t, err)
	}
}

// The change of one instance costs about as much memory among thousands of instances as it does among a hundred.
func TestWhatAChangeCostsDoesNotGrowWithTheService(t *testing.T) {
	cost := map[int]uint64{}
	for _, n := range []int{100, 4000} {
		bubble(t, func(t *testing.T, w *world) {
			w.fill(n)
			_, reg := w.registry("a")
			svc := w.open(reg)
			changes := svc.Changes(t.Context())
			<-changes
			const rounds = 20
			cost[n] = allocated(func() {
				for port := 2; port < 2+rounds; port++ {
					require.NoError(t, w.Set(fmt.Sprintf("%s/%05d", dir, port*n/30), entry(port, false, "")))
					require.Equal(t, port, (<-changes).Updated[0].Port)
				}
			}) / rounds
			assert.Equal(t, n, len(picked(t, svc, n)), "all of them are picked")
		})
	}
	t.Logf("bytes for each change: %v", cost)
	assert.Less(t, cost[4000], 4*cost[100], "40 times as many instances; the process allocates for others as well")
}

// allocated is how many bytes are allocated while f runs.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// rush is one random run.
type rush struct {
	*world
	rnd  *rand.Rand
	want map[string]bool // the instances, and whether they are to be picked when nobody is out
}

// change does something to one of some instances.
func (r *rush) change(ids int) {
	id := fmt.Sprintf("%05d", r.rnd.IntN(ids))
	path := dir + "/" + id
	_, there := r.want[id]
	disabled, zone := r.rnd.IntN(4) == 0, []string{"near", "far"}[r.rnd.IntN(2)]
	switch {
	case !there:
		_, err := r.Create(path, entry(1+r.rnd.IntN(9), disabled, zone), zktest.Persistent)
		require.NoError(r.t, err)
	case r.rnd.IntN(2) == 0:
		require.NoError(r.t, r.Delete(path))
		delete(r.want, id)
		return
	default:
		require.NoError(r.t, r.Set(path, entry(1+r.rnd.IntN(9), disabled, zone)))
	}
	r.want[id] = !disabled && zone == "near"
}

// verify compares a view with what there is. Unless all are in, some of those to be picked may be missing.
func (r *rush) verify(svc *discovery.Service[meta], allIn bool) {
	r.t.Helper()
	var all, in []string
	for id, picked := range r.want {
		if all = append(all, id); picked {
			in = append(in, id)
		}
	}
	slices.Sort(all)
	slices.Sort(in)
	got := available(svc)
	require.Equal(r.t, all, shown(svc))
	require.True(r.t, slices.IsSorted(got))
	switch {
	case allIn && len(in) > 0:
		require.Equal(r.t, in, got)
	case len(in) > 0 && len(got) > 0 && r.want[got[0]]:
		require.Subset(r.t, in, got)
	}
}

// Hundreds of instances come, go and change, one by one and many while the connection is away, and have errors. What is shown is what
// there is; what is picked is in service, in the preferred zone, and not out; and those that were out come back.
func TestAViewOfManyIsWhatThereIs(t *testing.T) {
	for _, watches := range []zktest.WatchModes{zktest.SideBySide, zktest.OneShotOnly} {
		bubbleWith(t, zktest.Config{Watches: watches}, func(t *testing.T, w *world) {
			r := &rush{w, rand.New(rand.NewPCG(5, uint64(watches))), map[string]bool{}}
			w.Put(dir, "")
			_, reg := w.registry("a", discovery.WithZone(func(in *discovery.Instance[meta]) string { return in.Payload.Zone }))
			svc := w.open(reg, discovery.PreferZone("near"), discovery.WithEjection(discovery.Ejection{Errors: 1, Duration: time.Minute, MaxShare: 0.2}))
			for round := range 12 {
				heal := func() {}
				if round%3 == 0 {
					heal = w.Outage()
				}
				for range []int{1, 10, 300}[round%3] {
					r.change(400)
				}
				for range 5 {
					if e, err := svc.Pick(); err == nil {
						e.Done(errCall)
					}
				}
				heal()
				time.Sleep(timeout / 2)
				require.NoError(t, svc.WaitFresh(t.Context()))
				synctest.Wait()
				r.verify(svc, false)
			}
			time.Sleep(2 * time.Minute)
			r.verify(svc, true)
		})
	}
}
