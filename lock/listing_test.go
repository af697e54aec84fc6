package lock_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// listing is what the client says of its recipes: name, path, state, attributes.
func listing(cli *framework.Client) []string {
	synctest.Wait()
	var list []string
	for _, r := range cli.Recipes() {
		line := fmt.Sprint(r.Name, " ", r.Path, " ", r.Status.State)
		for _, a := range r.Status.Attrs {
			line += fmt.Sprint(" ", a.Key, "=", a.Value)
		}
		list = append(list, line)
	}
	return list
}

// Who waits says how many stand ahead, and who holds says what it holds, until it is given up.
func TestListingFollowsTheState(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b := w.Connect("a"), w.Connect("b")
		held := locked(t, lock.New(a, path))
		assert.Equal(t, []string{fmt.Sprintf("lock %s holding node=%s token=%d", path, held.Path(), held.Token())}, listing(a))
		first := w.queued(t.Context(), lock.New(b, path), 2)
		second := w.queued(t.Context(), lock.New(b, path), 3)
		queue := w.List(path)
		slices.SortFunc(queue, func(a, b string) int { return cmp.Compare(a[len(a)-10:], b[len(b)-10:]) })
		at := func(i int) string { return path + "/" + queue[i] }
		assert.Equal(t, []string{
			fmt.Sprintf("lock %s waiting node=%s ahead=1 behind=%s", path, at(1), at(0)),
			fmt.Sprintf("lock %s waiting node=%s ahead=2 behind=%s", path, at(2), at(1)),
		}, listing(b))
		require.NoError(t, held.Unlock(t.Context()))
		assert.Empty(t, listing(a))
		r := <-first
		require.NoError(t, r.err)
		synctest.Wait()
		assert.Len(t, listing(b), 2, "the one that waits, and what is held")
		require.NoError(t, r.held.Unlock(t.Context()))
		require.NoError(t, must(t, (<-second).held, nil).Unlock(t.Context()))
		assert.Empty(t, listing(b))
	})
}

// In a bubble, a lock that has ended, but was not unlocked, is listed as that, and makes the client unwell.
func TestEndedButNotUnlocked(t *testing.T) {
	for name, end := range map[string]func(w *world, cli *framework.Client, held *lock.Held){
		"suspended": func(w *world, _ *framework.Client, _ *lock.Held) { w.cut("a") },
		"expired":   func(w *world, cli *framework.Client, _ *lock.Held) { w.ExpireSession(w.session(cli)) },
		"deleted": func(w *world, _ *framework.Client, held *lock.Held) {
			time.Sleep(time.Second)
			require.NoError(w.t, w.Delete(held.Path()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				cli := w.Connect("a")
				held := locked(t, lock.New(cli, path))
				end(w, cli, held)
				cause := waitOver(t, held, time.Minute)
				synctest.Wait()
				list := cli.Recipes()
				require.Len(t, list, 1)
				assert.Equal(t, "ended, not released", list[0].Status.State)
				require.ErrorIs(t, list[0].Status.Err, cause)
				assert.Len(t, list[0].Status.Attrs, 2, "it still says which node")
				assert.True(t, cli.Health().Ready(), "it may be about to unlock")
				time.Sleep(timeout + time.Second)
				assert.Contains(t, cli.Health().String(), "its holder has not released it")
				time.Sleep(time.Hour)
				assert.True(t, cli.Health().Live())
				assert.Error(t, held.Unlock(t.Context()))
				assert.Empty(t, listing(cli))
				assert.True(t, cli.Health().Ready(), cli.Health().String())
			})
		})
	}
}

// Every kind lists as many places as it holds, under its name, and nothing when it is given up.
func TestEveryKindIsListed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		names := func() []string {
			synctest.Wait()
			var names []string
			for _, r := range cli.Recipes() {
				names = append(names, r.Name+" "+r.Path)
			}
			return names
		}
		rw := lock.NewRW(cli, "/rw")
		written, err := rw.Lock(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"write lock /rw"}, names())
		read, err := written.Downgrade(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"read lock /rw"}, names())
		require.NoError(t, read.Unlock(t.Context()))
		assert.Empty(t, names())

		permits, err := lock.NewSemaphore(cli, "/s", 3).Acquire(t.Context(), 2)
		require.NoError(t, err)
		assert.Equal(t, []string{"semaphore /s/leases", "semaphore /s/leases"}, names())
		waiting := make(chan error, 1)
		go func() {
			more, err := lock.NewSemaphore(cli, "/s", 3).Acquire(t.Context(), 2)
			if err == nil {
				err = more.Unlock(t.Context())
			}
			waiting <- err
		}()
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, "waiting for room", cli.Recipes()[2].Status.State)
		require.NoError(t, permits.Unlock(t.Context()))
		require.NoError(t, <-waiting)

		both, err := lock.NewMulti(cli, []string{"/m/b", "/m/a"}).Lock(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []string{"locks /m/a", "locks /m/b"}, names())
		require.NoError(t, both.Unlock(t.Context()))
		assert.Empty(t, names())
	})
}
