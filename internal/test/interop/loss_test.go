package interop

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/lock"
)

// The session of whoever holds a lock ends at the servers: the other language has it at once.
func TestHolderLosesItsSession(t *testing.T) {
	for name, other := range map[string]func(*world, string) somebody{
		"Curator": curatorLock("mutex"), "kazoo": kazooLock("lock"), "zk.Lock": zkLockAt,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, path := onReal(t), "/lock"
			w.create(path, "")
			cli, ctx := w.client(), within(t)
			m := lock.New(cli, path, lock.Shared())
			theirs := other(w, path)
			theirs.take().wait(t)
			holder, err := m.Contenders(ctx)
			require.NoError(t, err)
			require.NotEmpty(t, holder)
			ours := &docentLock{t: t, lock: holding(m.Lock)}
			waiting := ours.take()
			w.untilThereAre(path, 3)
			require.NoError(t, w.expire(ctx, holder[0].Session))
			waiting.wait(t)

			again := other(w, path).take()
			w.untilThereAre(path, 3)
			require.NoError(t, w.expire(ctx, cli.State().SessionID))
			again.wait(t)
			<-ours.held.Context().Done()
			lostWithAReason(t, ours.held)
			require.Error(t, ours.held.Unlock(ctx), "it was not held to the end")
		})
	}
}

// A group member and a candidate of Curator come back in their next session, and docent sees them come.
func TestCuratorComesBack(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	other, ctx := w.curator(), within(t)
	other.do("group.join", "/group", "curator", hexed("here"))
	w.untilThereAre("/group", 1)
	other.do("latch.start", "/election", "curator")
	other.do("latch.await")
	mine := stand(t, w.client(), "/election", "docent")
	w.untilThereAre("/election", 2)
	before := w.stat("/group/curator").EphemeralOwner
	require.NoError(t, w.expire(ctx, before))
	mine.leads.wait(t)
	w.untilThereAre("/election", 2)
	w.untilThereAre("/group", 1)
	require.NotEqual(t, before, w.stat("/group/curator").EphemeralOwner)
	require.Equal(t, []string{"docent", "curator"}, candidates(t, w.eye, "/election"))
	mine.resigns()
	other.do("latch.await")
}
