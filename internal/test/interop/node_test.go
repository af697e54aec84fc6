package interop

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
)

// members are those of a group as docent lists them, in the form of the peers.
func (w *world) members(path string) (list []string) {
	w.t.Helper()
	members, err := node.Members(within(w.t), w.eye, path)
	require.NoError(w.t, err)
	for _, m := range members {
		list = append(list, m.ID+"="+hexed(string(m.Data)))
	}
	return list
}

func TestCuratorGroup(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/group"
	other := w.curator()
	k, err := node.Join(within(t), w.client(), path, "docent", []byte("here"))
	require.NoError(t, err)
	other.do("group.join", path, "curator", hexed("there"))
	both := []string{"curator=" + hexed("there"), "docent=" + hexed("here")}
	other.do("group.members", strings.Join(both, ","))
	assert.Equal(t, both, w.members(path))

	ctx := within(t)
	seen := node.WatchMembers(ctx, w.eye, path)
	other.do("group.set", hexed("elsewhere"))
	require.NoError(t, k.Set(ctx, []byte("gone")))
	both = []string{"curator=" + hexed("elsewhere"), "docent=" + hexed("gone")}
	other.do("group.members", strings.Join(both, ","))
	for g := range seen {
		require.NoError(t, g.Err)
		if string(g.Members[0].Data) == "elsewhere" && string(g.Members[1].Data) == "gone" {
			break
		}
	}
	require.NoError(t, k.Close(ctx))
	other.do("group.members", both[0])
	other.do("group.leave")
	for g := range seen {
		if len(g.Members) == 0 {
			break
		}
	}
}

// A Party knows its members by a marker in the name, and who they are by the data.
func TestKazooParty(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/party"
	w.create(path, "")
	cli, other, shallow := w.client(), w.kazoo(), w.kazoo()
	_, err := node.Join(within(t), cli, path, strings.Repeat("0", 32)+"__party__", []byte("docent"))
	require.NoError(t, err)
	other.do("party.join", "party", path, "kazoo")
	assert.Equal(t, []string{"docent", "kazoo"}, other.do("party.members"))
	members, err := node.Members(within(t), cli, path)
	require.NoError(t, err)
	require.Len(t, members, 2)
	assert.ElementsMatch(t, []string{"docent", "kazoo"}, []string{string(members[0].Data), string(members[1].Data)})

	path = "/shallow"
	w.create(path, "")
	_, err = node.Join(within(t), cli, path, "docent", nil)
	require.NoError(t, err)
	shallow.do("party.join", "shallow", path, "kazoo")
	assert.Equal(t, []string{"docent", "kazoo"}, shallow.do("party.members"))
	members, err = node.Members(within(t), cli, path)
	require.NoError(t, err)
	require.Len(t, members, 2)
	for _, m := range members { // in the order of their IDs, of which one is random
		assert.True(t, m.ID == "docent" || strings.HasSuffix(m.ID, "-kazoo"), m.ID)
	}
	other.do("party.leave")
	w.untilThereAre("/party", 1)
}

// A name that Curator keeps is Curator's until it is closed.
func TestCuratorKeepsTheName(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/nodes/a"
	other := w.curator()
	assert.Equal(t, path, other.says("node.keep", path, "EPHEMERAL", "", hexed("theirs")))
	cli, ctx := w.client(), within(t)
	kept := newCall("docent keeps")
	var k *node.Keeper
	go func() {
		var err error
		k, err = node.Keep(ctx, cli, path, []byte("ours"))
		kept.finish(nil, err)
	}()
	require.NoError(t, cli.Sync(ctx, path))
	kept.goesOn(t)
	assert.Equal(t, "theirs", w.data(path))
	other.do("node.close")
	kept.wait(t)
	assert.Equal(t, "ours", w.data(path))
	require.NoError(t, k.Close(ctx))
	_, err := w.eye.Get(ctx, path)
	require.ErrorIs(t, err, framework.ErrNoNode)
}

// A PersistentNode that finds docent's node writes its own data into it, and is content. Docent leaves that alone; and when
// docent's node goes, Curator creates its own.
func TestCuratorFindsTheNameTaken(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/nodes/a"
	ctx := within(t)
	k, err := node.Keep(ctx, w.client(), path, []byte("ours"))
	require.NoError(t, err)
	other := w.curator()
	other.do("node.keep", path, "EPHEMERAL", "", hexed("theirs"))
	assert.Equal(t, "theirs", w.data(path))
	assert.True(t, k.Standing().Stands)
	assert.Equal(t, k.Standing().Session, w.stat(path).EphemeralOwner)
	require.NoError(t, k.Close(ctx))
	w.until("/nodes", func(names []string) bool { return len(names) == 1 })
	other.do("node.close")
	w.untilThereAre("/nodes", 0)
}

func (w *world) stat(path string) framework.Stat {
	w.t.Helper()
	stat, _, err := w.eye.Exists(within(w.t), path)
	require.NoError(w.t, err)
	return stat
}
