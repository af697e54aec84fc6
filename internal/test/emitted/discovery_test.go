package emitted

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/zktest"
)

func TestRegistrationsStand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		registry := discovery.New[string](c.client(t, s, "a"), "/services")
		ctx, caller := c.tracer.Tracer("test").Start(t.Context(), "caller")
		reg, err := registry.Register(ctx, discovery.Instance[string]{Name: "orders", Address: "a", Port: 1})
		require.NoError(t, err)
		caller.End()
		register := c.one(t, "discovery.register")
		within(t, register, c.one(t, "caller"))
		assert.Equal(t, reg.Path(), attributes(register.Attributes)["docent.path"])
		assert.EqualValues(t, 1, c.value(t, "docent.registrations", "docent.state", "standing"))
		assert.EqualValues(t, 0, c.value(t, "docent.registrations", "docent.state", "not standing"))

		s.Refuse()
		s.ExpireSession(s.Sessions()[0].ID)
		time.Sleep(time.Minute)
		assert.EqualValues(t, 0, c.value(t, "docent.registrations", "docent.state", "standing"))
		assert.EqualValues(t, 1, c.value(t, "docent.registrations", "docent.state", "not standing"))
		require.NoError(t, s.Accept())
		require.NoError(t, reg.WaitStanding(t.Context()))
		require.NoError(t, reg.Close(t.Context()))
		assert.EqualValues(t, 0, c.value(t, "docent.registrations", "docent.state", "standing"))
		assert.EqualValues(t, 0, c.value(t, "docent.registrations", "docent.state", "not standing"))
	})
}

func TestSkippedSiblingsAreCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		for _, path := range []string{"/services", "/services/orders", "/services/orders/bad"} {
			_, err := s.Create(path, []byte("{"), zktest.Persistent)
			require.NoError(t, err)
		}
		registry := discovery.New[string](c.client(t, s, "a"), "/services")
		service, err := registry.Open(t.Context(), "orders")
		require.NoError(t, err)
		synctest.Wait()
		assert.EqualValues(t, 1, c.value(t, "docent.discovery.skipped"))
		require.NoError(t, service.Close())
		assert.EqualValues(t, 0, c.value(t, "docent.discovery.skipped"))
	})
}
