package discovery_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
)

// draining starts a Drain beside the test.
func draining(ctx context.Context, r *discovery.Registration[meta], wait time.Duration) <-chan error {
	done := make(chan error, 1)
	go func() { done <- r.Drain(ctx, wait) }()
	settle()
	return done
}

func TestDrain(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		w.register(reg, instance("two"))
		svc := w.open(reg)
		began := time.Now()
		done := draining(t.Context(), r, time.Minute)
		assert.True(t, w.read(dir+"/one").Disabled)
		assert.Equal(t, []string{"one", "two"}, shown(svc))
		assert.Equal(t, map[string]int{"two": 10}, picked(t, svc, 10))
		require.ErrorIs(t, r.Update(t.Context(), instance("one")), discovery.ErrEnding)
		require.NoError(t, <-done)
		assert.InDelta(t, time.Minute, time.Since(began), float64(time.Second))
		assert.Equal(t, []string{"two"}, w.List(dir))
		settle()
		assert.Equal(t, []string{"two"}, shown(svc))
		require.NoError(t, r.Drain(t.Context(), time.Hour), "it has ended")
	})
}

// In a format that cannot say it, the node goes first.
func TestDrainWithoutAWordForIt(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a", discovery.WithCodec(discovery.JSON[meta](discovery.EnabledNever())))
		for _, disabled := range []bool{false, true} {
			in := instance("one")
			in.Disabled = disabled
			r := w.register(reg, in)
			began := time.Now()
			done := draining(t.Context(), r, time.Minute)
			assert.Empty(t, w.List(dir))
			require.NoError(t, <-done)
			assert.InDelta(t, time.Minute, time.Since(began), float64(time.Second))
		}
	})
}

// Nor does that wait outlive a Close.
func TestDrainWithoutAWordIsCutShort(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a", discovery.WithCodec(discovery.JSON[meta](discovery.EnabledNever())))
		r := w.register(reg, instance("one"))
		began := time.Now()
		done := draining(t.Context(), r, time.Hour)
		assert.Empty(t, w.List(dir))
		require.NoError(t, r.Close(t.Context()))
		require.NoError(t, <-done)
		assert.Less(t, time.Since(began), time.Minute)
	})
}

// The same if the servers do not let it be said.
func TestDrainThatIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		_, err := cli.SetACL(t.Context(), dir+"/one", []framework.ACL{{Perms: 1, Scheme: "world", ID: "anyone"}}, framework.AnyVersion)
		require.NoError(t, err)
		began := time.Now()
		done := draining(t.Context(), r, time.Minute)
		assert.Empty(t, w.List(dir))
		require.NoError(t, <-done)
		assert.InDelta(t, time.Minute, time.Since(began), float64(time.Second))
	})
}

func TestDrainIsCutShort(t *testing.T) {
	for name, cut := range map[string]func(*discovery.Registration[meta], context.CancelFunc){
		"by Close": func(r *discovery.Registration[meta], _ context.CancelFunc) { _ = r.Close(context.Background()) },
		"by ctx":   func(_ *discovery.Registration[meta], cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				_, reg := w.registry("a")
				r := w.register(reg, instance("one"))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := draining(ctx, r, time.Hour)
				began := time.Now()
				cut(r, cancel)
				<-done
				assert.Less(t, time.Since(began), time.Second)
				require.NoError(t, r.Close(t.Context()))
				assert.Empty(t, w.List(dir))
			})
		})
	}
}

// In an outage nobody can be told: the mark is waited for, and no longer.
func TestDrainInAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		over := w.Outage()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		require.ErrorIs(t, r.Drain(ctx, time.Minute), context.DeadlineExceeded)
		assert.InDelta(t, 2*time.Minute, time.Since(began), float64(time.Second))
		over()
		require.NoError(t, r.Close(within(t, time.Hour)))
		time.Sleep(time.Minute)
		assert.Empty(t, w.List(dir))
	})
}

// An outage that ends later than the wait costs nothing more.
func TestDrainOverALongOutage(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		over := w.Outage()
		began := time.Now()
		done := draining(t.Context(), r, time.Minute)
		time.Sleep(70 * time.Second)
		over()
		require.NoError(t, <-done)
		assert.Less(t, time.Since(began), 90*time.Second)
		time.Sleep(time.Minute)
		assert.Empty(t, w.List(dir))
	})
}

// An outage that ends in time costs the wait nothing.
func TestDrainThroughABriefDisconnection(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		_, reg := w.registry("a")
		r := w.register(reg, instance("one"))
		over := w.Outage()
		done := draining(t.Context(), r, time.Minute)
		time.Sleep(2 * time.Second)
		over()
		time.Sleep(30 * time.Second)
		assert.True(t, w.read(dir+"/one").Disabled)
		require.NoError(t, <-done)
		assert.Empty(t, w.List(dir))
	})
}
