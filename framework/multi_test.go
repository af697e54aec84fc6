package framework_test

import (
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestMulti(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		mustCreate(t, s, "/app/a", "old")
		mustCreate(t, s, "/app/b", "")
		cli := connected(t, s, as("me", "s3cr3t"), func(c *framework.Config) { c.ConnectString += "/app" })
		results, err := cli.Multi(t.Context(), []framework.Op{
			framework.CheckOp("/a", 0),
			framework.SetOp("a", []byte("new"), 0),
			framework.CreateOp("/c", []byte("data"), framework.Persistent),
			framework.CreateOp("/c/n-", nil, framework.EphemeralSequential).WithACL(framework.DigestACL(31, "me", "s3cr3t")),
			framework.DeleteOp("/b", framework.AnyVersion),
			framework.CreateOp("/", nil, framework.PersistentSequential),
		})
		require.NoError(t, err)
		require.Len(t, results, 6)
		_, stat, err := s.Get("/app/a")
		require.NoError(t, err)
		assert.EqualValues(t, stat, results[1].Stat)
		assert.Equal(t, "/c", results[2].Path)
		assert.Equal(t, "/c/n-0000000000", results[3].Path)
		assert.Equal(t, "/0000000003", results[5].Path, "inside the chroot")
		assert.Empty(t, results[0].Path+results[1].Path+results[4].Path)

		dump := s.Dump()
		assert.Equal(t, "new", string(dump["/app/a"].Data))
		assert.Equal(t, "data", string(dump["/app/c"].Data))
		assert.Equal(t, sessionID(t, s), dump["/app/c/n-0000000000"].Stat.EphemeralOwner)
		assert.NotContains(t, dump, "/app/b")
		acl, _, err := cli.ACL(t.Context(), "/c/n-0000000000")
		require.NoError(t, err)
		assert.Equal(t, framework.DigestACL(31, "me", "s3cr3t"), acl)
		assert.EqualValues(t, 1, s.Counts().Requests[zktest.OpMulti])
	})
}

// A refused multi names the operation, and nothing of it is applied.
func TestRefusedMulti(t *testing.T) {
	create := framework.CreateOp("/new", nil, framework.Persistent)
	for name, c := range map[string]struct {
		ops   []framework.Op
		index int
		op    string
		path  string
		want  error
	}{
		"check":         {[]framework.Op{create, framework.CheckOp("/a", 7)}, 1, "check", "/a", framework.ErrBadVersion},
		"check missing": {[]framework.Op{framework.CheckOp("/none", -1), create}, 0, "check", "/none", framework.ErrNoNode},
		"set":           {[]framework.Op{create, create, framework.SetOp("/a", nil, 7)}, 1, "create", "/new", framework.ErrNodeExists},
		"delete":        {[]framework.Op{create, framework.DeleteOp("/full", -1)}, 1, "delete", "/full", framework.ErrNotEmpty},
		"create":        {[]framework.Op{create, framework.CreateOp("/x/y", nil, 0)}, 1, "create", "/x/y", framework.ErrNoNode},
		"acl": {[]framework.Op{create, framework.CreateOp("/acl", nil, 0).WithACL([]framework.ACL{{Perms: 31, Scheme: "none", ID: "x"}})},
			1, "create", "/acl", framework.ErrInvalidACL},
		"no auth": {[]framework.Op{create, framework.SetOp("/closed", nil, -1)}, 1, "set", "/closed", framework.ErrNoAuth},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := startServer(t, zktest.Config{})
				mustCreate(t, s, "/ns/a", "")
				mustCreate(t, s, "/ns/full/child", "")
				cli := connected(t, s, func(c *framework.Config) { c.Namespace = "ns" })
				_, err := cli.Create(t.Context(), "/closed", nil, framework.WithACL(framework.DigestACL(31, "some", "s3cr3t")))
				require.NoError(t, err)
				results, err := cli.Multi(t.Context(), c.ops)
				require.ErrorIs(t, err, c.want)
				require.NotErrorIs(t, err, framework.ErrOutcomeUnknown)
				var refused *framework.MultiError
				require.ErrorAs(t, err, &refused)
				assert.Equal(t, c.index, refused.Index)
				assert.Equal(t, c.op, refused.Op)
				assert.Equal(t, c.path, refused.Path)
				require.ErrorContains(t, err, "("+c.op+" "+c.path+") was refused, nothing was applied")
				assert.Empty(t, results)
				assert.False(t, s.Exists("/ns/new"))
			})
		})
	}
}

func TestInvalidMulti(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		before := s.Counts()
		for _, c := range []struct {
			op   framework.Op
			want error
		}{
			{framework.CreateOp("/a", nil, framework.Container), zk.ErrInvalidFlags},
			{framework.CreateOp("/a", nil, framework.PersistentTTL), zk.ErrInvalidFlags},
			{framework.CreateOp("/a", nil, framework.Mode(99)), zk.ErrInvalidFlags},
			{framework.CreateOp("/a/", nil, framework.Persistent), framework.ErrInvalidPath},
			{framework.SetOp("", nil, 0), framework.ErrInvalidPath},
			{framework.DeleteOp("/a//b", 0), framework.ErrInvalidPath},
			{framework.CheckOp("/..", 0), framework.ErrInvalidPath},
			{framework.Op{}, framework.ErrInvalidPath},
			{framework.SetOp("/large", make([]byte, 2<<20), 0), framework.ErrTooLarge},
		} {
			_, err := cli.Multi(t.Context(), []framework.Op{framework.CheckOp("/", -1), c.op})
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, "multi /")
		}
		assert.Equal(t, before, s.Counts(), "nothing was sent")
		results, err := cli.Multi(t.Context(), nil)
		require.NoError(t, err)
		assert.Empty(t, results)
		assert.Equal(t, "/x", framework.SetOp("/x", nil, 0).Path())
	})
}

// Config.ACL counts as well when the size of a multi is looked at.
func TestMultiWithLargeACLs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s, func(c *framework.Config) {
			for i := range 60 {
				c.ACL = append(c.ACL, framework.DigestACL(31, string(rune('a'+i%26))+"user", string(rune('a'+i/26)))...)
			}
		})
		var ops []framework.Op
		for i := range 20 {
			ops = append(ops, framework.CreateOp("/n-", []byte{byte(i)}, framework.PersistentSequential))
		}
		_, err := cli.Multi(t.Context(), ops)
		require.NoError(t, err)
		assert.Len(t, children(t, s, "/"), 20+1)
		assert.NotContains(t, s.Counts().Requests, zktest.OpCreate2)
	})
}
