package lock_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/lock"
)

// A waiter knows from the reads that it makes anyway who is ahead of it.
func TestAWaiterReportsTheIDOfItsPredecessor(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		a, b := srv.Connect("a"), srv.Connect("b")
		held, err := lock.New(a, "/locks/x", lock.WithData([]byte("anna"))).Lock(t.Context())
		require.NoError(t, err)
		long := strings.Repeat("x", 1000)
		writing, err := lock.NewRW(a, "/locks/y", lock.WithData([]byte(long))).Lock(t.Context())
		require.NoError(t, err)
		done := make(chan error, 3)
		wait := func(acquire func(ctx context.Context) (*lock.Held, error)) {
			go func() {
				held, err := acquire(t.Context())
				if err == nil {
					err = held.Unlock(t.Context())
				}
				done <- err
			}()
			srv.Settle()
		}
		wait(lock.New(b, "/locks/x", lock.WithData([]byte("ben"))).Lock)
		wait(lock.New(b, "/locks/x").Lock) // behind a waiter of its own client
		wait(lock.NewRW(b, "/locks/y").RLock)
		time.Sleep(time.Second) // a lock reads its predecessor after 20 ms
		synctest.Wait()
		behind := make(map[string][]string)
		for _, r := range b.Recipes() {
			for _, attr := range r.Status.Attrs {
				if attr.Key == "behind_id" {
					behind[r.Path] = append(behind[r.Path], attr.Value.String())
				}
			}
		}
		assert.Equal(t, map[string][]string{"/locks/x": {"anna", "ben"}, "/locks/y": {long[:256]}}, behind)
		require.NoError(t, held.Unlock(t.Context()))
		require.NoError(t, writing.Unlock(t.Context()))
		for range cap(done) {
			require.NoError(t, <-done)
		}
	})
}
