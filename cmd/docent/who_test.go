package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// look is what who says, as "state kind label host node", with the numbers of nodes.
func (w *world) look(args ...string) (kind string, lines []string) {
	w.t.Helper()
	var found struct {
		Kind string
		List []contender
	}
	require.NoError(w.t, json.Unmarshal([]byte(w.ok(append([]string{"who", "--json"}, args...)...)), &found))
	for _, c := range found.List {
		lines = append(lines, strings.Join([]string{c.State, c.Kind, c.Label, c.Node[strings.LastIndexAny(c.Node, "-_")+1:]}, " "))
	}
	return found.Kind, lines
}

func TestWhoKnowsTheNamesOfAllClients(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		n := 0
		place := func(form, data string) { // with an id of its own
			n++
			path := strings.NewReplacer("UUID", fmt.Sprintf("01234567-89ab-cdef-0123-%012d", n), "HEX", fmt.Sprintf("%032x", n)).Replace(form)
			w.create(path, data, framework.EphemeralSequential)
		}
		place("/mutex/_c_UUID-lock-", "curator")
		place("/mutex/HEX__lock__", "kazoo")
		place("/mutex/_c_HEX-lock-", "zk.Lock")
		place("/mutex/other-", "somebody else")
		kind, lines := w.look("/mutex")
		require.Equal(t, "lock", kind)
		require.Equal(t, []string{"holds lock curator 0000000000", "waits lock kazoo 0000000001", "waits lock zk.Lock 0000000002"}, lines)

		place("/rw/_c_UUID-__READ__", "r1")
		place("/rw/HEX__rlock__", "r2")
		place("/rw/_c_UUID-__WRIT__", "w1")
		place("/rw/HEX__lock__", "w2")
		place("/rw/_c_UUID-__READ__", "r3")
		kind, lines = w.look("/rw")
		require.Equal(t, "read/write lock", kind)
		require.Equal(t, []string{
			"holds read r1 0000000000", "holds read r2 0000000001", "waits write w1 0000000002", "waits write w2 0000000003", "waits read r3 0000000004",
		}, lines)

		place("/latch/_c_UUID-latch-", "a")
		place("/latch/_c_UUID-latch-", "b")
		kind, lines = w.look("/latch")
		require.Equal(t, "election", kind)
		require.Equal(t, []string{"leads election a 0000000000", "waits election b 0000000001"}, lines)
	})
}

func TestWhoShowsDocentsOwn(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		ctx := w.t.Context()
		held, err := lock.New(w.client("a"), "/shared", lock.Shared(), lock.WithData([]byte("a"))).Lock(ctx)
		require.NoError(t, err)
		defer held.Unlock(ctx)
		_, lines := w.look("/shared")
		require.Equal(t, []string{"holds lock a 0000000000"}, lines, "a pair of nodes is one place")

		term, err := leader.New(w.client("a"), "/e", leader.Shared(), leader.WithID("me")).Campaign(ctx)
		require.NoError(t, err)
		defer term.Resign(ctx)
		_, lines = w.look("/e")
		require.Equal(t, []string{"leads election me 0000000000"}, lines)

		permits, err := lock.NewSemaphore(w.client("a"), "/s", 3, lock.WithData([]byte("a"))).Acquire(ctx, 2)
		require.NoError(t, err)
		defer permits.Unlock(ctx)
		_, lines = w.look("/s")
		require.Equal(t, []string{"holds permit a 0000000000", "holds permit a 0000000001"}, lines)
		waiting := make(chan error, 1)
		go func() {
			b, err := lock.NewSemaphore(w.client("a"), "/s", 3, lock.WithData([]byte("w"))).Acquire(ctx, 2)
			if err == nil {
				err = b.Unlock(ctx)
			}
			waiting <- err
		}()
		time.Sleep(time.Second)
		_, lines = w.look("/s", "--permits", "3")
		require.Len(t, lines, 5)
		require.Contains(t, lines[2], "holds permit w")
		require.Contains(t, lines[3], "waits permit w")
		require.Contains(t, lines[4], "waits queue w")
		_, lines = w.look("/s")
		require.Contains(t, lines[3], "holds or waits permit w")
		require.NoError(t, permits.Unlock(ctx))
		require.NoError(t, <-waiting)
		require.Equal(t, "Nobody holds /s or waits for it.\n", w.ok("who", "/s"))
	})
}

func TestWhoShowsOtherEphemeralNodes(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		w.create("/group/m1", "one", framework.Ephemeral)
		w.create("/group/m2", "two", framework.Ephemeral)
		w.create("/group/not", "", framework.Persistent)
		_, lines := w.look("/group")
		require.Equal(t, []string{"present node one /group/m1", "present node two /group/m2"}, lines)
		_, lines = w.look("/group/m2")
		require.Equal(t, []string{"present node two /group/m2"}, lines)
	})
}

func TestWhoNamesHosts(t *testing.T) {
	inBubble(t, 3, zktest.Config{}, func(w *world) {
		held, err := lock.New(w.client("a"), "/l").Lock(w.t.Context())
		require.NoError(t, err)
		defer held.Unlock(w.t.Context())
		address := ""
		for _, s := range w.server.Sessions() {
			if s.Conn.Client == "a" {
				address, _, _ = strings.Cut(s.Conn.Addr.String(), ":")
			}
		}
		require.NotEmpty(t, address)
		require.Contains(t, w.ok("who", "/l"), address)
		require.NotContains(t, w.ok("who", "/l", "--no-hosts"), address)
		w.hosts["zk3"] = "192.0.2.99"
		code, _, stderr := w.run("who", "/l")
		require.Zero(t, code)
		require.Contains(t, stderr, "1 server did not tell")
	})
}

func TestConnectionsOfEveryForm(t *testing.T) {
	hosts := map[int64]string{}
	connections(" /10.0.0.5:40000[1](queued=0,recved=4,sent=4,sid=0x10000a1b2c30001,lop=PING,est=1,to=30000)\n"+
		" /0:0:0:0:0:0:0:1:40001[0](queued=0,recved=1,sent=0)\n"+
		" /[0:0:0:0:0:0:0:1]:40002[1](queued=0,sid=0xffffffffffffffff,lop=NA)\n"+
		" /0:0:0:0:0:0:0:1:40003[1](queued=0,sid=0x2,lop=NA)\n /x:1[1](sid=0x0)\nnonsense sid=0x9\n", hosts)
	require.Equal(t, map[int64]string{0x10000a1b2c30001: "10.0.0.5", -1: "::1", 2: "::1"}, hosts)
}

func TestServicesShowWhatCannotBeRead(t *testing.T) {
	inBubble(t, 1, zktest.Config{}, func(w *world) {
		require.Equal(t, "No service is registered at /services.\n", w.ok("services"))
		r := discovery.New[map[string]string](w.client("a"), "/services")
		reg, err := r.Register(w.t.Context(), discovery.Instance[map[string]string]{Name: "orders", ID: "1", Address: "10.0.0.7", Port: 80, Payload: map[string]string{"zone": "a"}})
		require.NoError(t, err)
		defer reg.Close(w.t.Context())
		w.create("/services/orders/2", hostile)
		out := w.ok("services", "orders")
		require.Contains(t, out, "10.0.0.7")
		require.Contains(t, out, "Skipped /services/orders/2")
		require.NotContains(t, out, "\x1b")
		require.Contains(t, w.ok("services"), "orders   1          0         1")
		var all struct{ Instances []instanceJSON }
		require.NoError(t, json.Unmarshal([]byte(w.ok("services", "orders", "--json")), &all))
		require.Contains(t, string(all.Instances[0].Payload), `"zone": "a"`)

		spring := discovery.New(w.client("a"), "/spring", discovery.WithCodec(discovery.Spring()))
		reg2, err := spring.Register(w.t.Context(), discovery.Instance[discovery.SpringInstance]{Name: "web", Address: "10.0.0.8", Port: 80, Disabled: true})
		require.NoError(t, err)
		defer reg2.Close(w.t.Context())
		require.Contains(t, w.ok("services", "--spring", "--base", "/spring", "web"), "disabled")
		synctest.Wait()
	})
}
