package interop

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/lock"
)

// Curator's Revoker asks docent for its lock, and gets it.
func TestCuratorRevokes(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/lock"
	other, ctx := w.curator(), within(t)
	asked := newCall("docent is asked")
	m := lock.New(w.client(), path, lock.OnRevoke(func(h lock.Holding) { asked.finish(nil, h.Unlock(ctx)) }))
	held, err := m.Lock(ctx)
	require.NoError(t, err)
	queue := other.do("lock.participants", path)
	require.Equal(t, []string{held.Path()}, queue)
	other.do("lock.revoke", queue[0])
	asked.wait(t)
	<-held.Revoked()
	assert.Error(t, held.Context().Err())
	other.do("lock.acquire", "mutex", path)
	other.do("lock.release")
}

// Docent asks Curator for its lock, and gets it.
func TestCuratorIsRevoked(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/lock"
	other, ctx := w.curator(), within(t)
	other.do("lock.acquireRevocable", path)
	m := lock.New(w.client(), path)
	waiting := beside("docent locks", func() error {
		held, err := m.Lock(ctx)
		if err != nil {
			return err
		}
		return held.Unlock(ctx)
	})
	w.untilThereAre(path, 2)
	queue, err := m.Contenders(ctx)
	require.NoError(t, err)
	require.Len(t, queue, 2)
	assert.Empty(t, queue[0].Data, "Curator's that can be revoked")
	require.NoError(t, m.Revoke(ctx, queue[0]))
	other.do("lock.revoked")
	waiting.goesOn(t)
	other.do("lock.release")
	waiting.wait(t)
}

// Each sees the other in the queue, in the same order.
func TestCuratorSeesTheQueue(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/lock"
	other, eye := w.curator(), w.curator()
	m := lock.New(w.client(), path)
	held, err := m.Lock(within(t))
	require.NoError(t, err)
	session := other.says("session")
	waiting := other.begin("lock.acquire", "mutex", path)
	w.untilThereAre(path, 2)
	queue, err := m.Contenders(within(t))
	require.NoError(t, err)
	assert.Equal(t, []string{queue[0].Path, queue[1].Path}, eye.do("lock.participants", path))
	assert.Equal(t, held.Path(), queue[0].Path)
	assert.Equal(t, session, sessionID(queue[1].Session))
	require.NoError(t, held.Unlock(within(t)))
	waiting.wait(t)
	other.do("lock.release")
}
