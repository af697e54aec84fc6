package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

func TestCreateMakesWhatItIsAskedFor(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		require.Equal(t, "/a/b\n", w.ok("create", "-p", "a/b", "x"))
		require.Equal(t, "/a/n-0000000001\n", w.ok("create", "--sequential", "/a/n-"))
		w.ok("create", "--container", "/c")
		w.ok("create", "--ttl", "1h", "/ttl")
		w.ok("create", "/acl", "--acl", "world:anyone:r,ip:10.0.0.0/8:rwcda,digest:me:hash==:a")
		dump := w.server.Dump()
		require.Equal(t, zktest.Container, dump["/c"].Mode)
		require.Equal(t, time.Hour, dump["/ttl"].TTL)
		list, _, err := w.client("other").ACL(w.t.Context(), "/acl")
		require.NoError(t, err)
		require.Equal(t, []framework.ACL{
			{Scheme: "world", ID: "anyone", Perms: 1}, {Scheme: "ip", ID: "10.0.0.0/8", Perms: 31}, {Scheme: "digest", ID: "me:hash==", Perms: 16},
		}, list)
	})
}

func TestTreeShowsAPartOfALargeTree(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		for i := range 30 {
			for j := range 5 {
				w.create(fmt.Sprintf("/t/d%02d/n%d", i, j), "")
			}
		}
		require.Equal(t, "/t\n├── d00\n│   ├── n0\n│   └── (4 more)\n└── (29 more)\n", w.ok("tree", "/t", "--children", "1"))
		require.Equal(t, "/t\n└── (30 child nodes; see --depth)\n", w.ok("tree", "/t", "--depth", "0"))
		out := w.ok("tree", "/t", "--limit", "4")
		require.Equal(t, "/t\n├── d00\n│   ├── n0\n│   ├── n1\n│   └── (3 more)\n└── (29 more)\n(4 nodes shown; see --limit)\n", out)
		require.Equal(t, 31*1+150, strings.Count(w.ok("tree", "/t"), "\n"), "all of it")
		var tree struct {
			Nodes      []nodeJSON
			Incomplete bool
		}
		require.NoError(t, json.Unmarshal([]byte(w.ok("tree", "/t", "--json", "--limit", "7")), &tree))
		require.Len(t, tree.Nodes, 7)
		require.True(t, tree.Incomplete)
		require.Equal(t, "/t/d00/n4", tree.Nodes[6].Path)
	})
}

func TestTreeShowsNodesThatMayNotBeRead(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		w.create("/t/open", "x")
		w.create("/t/shut", "x", framework.WithACL(framework.DigestACL(31, "me", "s3cr3t")))
		require.Equal(t, "/t\n├── open  = x\n└── shut  (this client may not read it)\n", w.ok("tree", "/t", "--data"))
	})
}

func TestListBounds(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		for i := range 20 {
			w.create(fmt.Sprintf("/t/%02d", i), "")
		}
		code, stdout, stderr := w.run("ls", "/t", "--limit", "2")
		require.Zero(t, code)
		require.Equal(t, "00\n01\n", stdout)
		require.Equal(t, "docent: 18 more; see --limit\n", stderr)
		_, stdout, stderr = w.run("ls", "-l", "/t", "--limit", "2")
		require.Equal(t, 3, strings.Count(stdout, "\n"))
		require.Equal(t, "docent: 18 more; see --limit\n", stderr)
		require.Contains(t, w.ok("ls", "/t", "--limit", "1", "--json"), `"more": 19`)
	})
}

func TestRemoveAsks(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		w.create("/t/a/b", "")
		w.create("/t/c", "")
		w.fails(2, "needs --yes", "rm", "-r", "/t")
		w.sys.asks = true
		for _, answer := range []string{"", "\n", "n\n", "yesterday\n"} {
			w.sys.stdin = strings.NewReader(answer)
			w.fails(4, "Delete /t and 3 nodes below it? [y/N] docent: nothing was deleted", "rm", "-r", "/t")
		}
		require.True(t, w.exists("/t/a/b"))
		w.sys.stdin = strings.NewReader("Y\n")
		require.Equal(t, "Deleted /t and everything below it.\n", w.ok("rm", "-r", "/t"))
		require.False(t, w.exists("/t"))
	})
}

func TestRemoveOfManyNodes(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		for i := range 300 {
			w.create(fmt.Sprintf("/t/%d/x", i), "")
		}
		require.Equal(t, "{\n  \"deleted\": \"/t\"\n}\n", w.ok("rm", "-r", "-y", "--json", "/t"))
		w.create("/u/shut/x", "", framework.WithACL(framework.OpenACL()))
		_, err := w.client("other").SetACL(w.t.Context(), "/u/shut", framework.DigestACL(31, "me", "s3cr3t"), framework.AnyVersion)
		require.NoError(t, err)
		w.fails(exitRefused, "not authenticated", "rm", "-r", "-y", "/u")
	})
}

func TestWatchShowsChangesOverLostSessions(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		w.create("/t/a", "1")
		done := make(chan int, 1)
		go func() { done <- w.sys.run([]string{"watch", "/t", "-n", "4"}) }()
		time.Sleep(time.Second)
		_, err := w.client("other").Set(w.t.Context(), "/t/a", []byte("2"), framework.AnyVersion)
		require.NoError(t, err)
		time.Sleep(time.Second)
		for _, s := range w.server.Sessions() {
			if s.Conn.Client == "here" {
				require.True(t, w.server.ExpireSession(s.ID))
			}
		}
		require.NoError(t, w.server.Set("/t/a", []byte("3")))
		time.Sleep(time.Minute)
		w.create("/t/b/deep", "")
		require.NoError(t, w.client("other").Delete(w.t.Context(), "/t/a", framework.AnyVersion))
		require.Zero(t, <-done)
		require.Equal(t, strings.Join([]string{
			"09:30:00Z  watching /t: 2 nodes", "09:30:01Z  changed  /t/a  = 2",
			"09:30:02Z  the connection is away; changes are shown when it is back", "09:30:02Z  changed  /t/a  = 3",
			"09:30:02Z  the connection is back; everything up to now is shown", "09:31:02Z  created  /t/b", "09:31:02Z  deleted  /t/a", "",
		}, "\n"), strings.ReplaceAll(w.out.take(), "2026-03-02T", ""))
	})
}

func TestWatchBounds(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		for i := range 20 {
			w.create(fmt.Sprintf("/t/%02d", i), "xyz")
		}
		w.fails(1, "there are more than 5 nodes at /t", "watch", "/t", "--max-nodes", "5", "--for", "1s")
		out := w.ok("watch", "/t", "--json", "--initial", "--no-data", "--for", "1s")
		d := json.NewDecoder(strings.NewReader(out))
		for range 21 {
			var line changeJSON
			require.NoError(t, d.Decode(&line))
			require.Equal(t, "present", line.Event)
			require.Nil(t, line.Node.Data)
		}
		var line changeJSON
		require.NoError(t, d.Decode(&line))
		require.Equal(t, 21, line.Nodes)
		require.ErrorIs(t, d.Decode(&line), io.EOF)
	})
}
