package debugpage

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/zktest"
)

// line is a queue in short: role, whom it waits for, id, owner.
func lineOf(q Queue) (all []string) {
	for _, p := range q.Places {
		all = append(all, fmt.Sprint(p.Position, " ", p.Role, " ", p.WaitsFor, " ", p.ID, " ", p.Owner))
	}
	return all
}

func TestQueue(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		a, b, stranger := w.client("a"), w.client("b"), w.client("stranger")
		node := w.stand(a, "holding", "/locks/x/_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-lock-", "anna")
		w.stand(stranger, "waiting", "/locks/x/0f8b3c1e5d0a4a539d5c2f3f0a7f1e12__lock__", "kazoo")
		w.stand(b, "waiting", "/locks/x/lock-", "ben")
		_, err := w.Create("/locks/x/config", nil, zktest.Persistent)
		require.NoError(t, err)
		h := Options{Names: []string{"anna", "ben"}}.Handler(a, b)
		report(t, h, "")
		q := queue(t, h, "/locks/x", 2)
		assert.Equal(t, []string{"1 holds 0 anna anna", "2 waits 1 kazoo ", "3 waits 2 ben ben"}, lineOf(q))
		assert.Equal(t, []any{"/locks/x", 2, "", 3, 1}, []any{q.Path, q.Client, q.Error, q.Total, q.Others})
		_, name := framework.Split(node)
		got, err := a.Get(t.Context(), node)
		require.NoError(t, err)
		assert.Equal(t, []any{name, sessionID(got.Stat.EphemeralOwner), got.Stat.Czxid << 8}, []any{q.Places[0].Node, q.Places[0].Session, q.Places[0].Token})
		assert.WithinDuration(t, time.Now(), q.Places[0].Since, time.Second)

		require.NoError(t, w.Delete(node))
		time.Sleep(copyAge)
		assert.Len(t, queue(t, h, "/locks/x", 1).Places, 2)
		for range maxPlaces {
			_, err := w.Create("/locks/x/lock-", nil, zktest.PersistentSequential)
			require.NoError(t, err)
		}
		time.Sleep(copyAge)
		q = queue(t, h, "/locks/x", 1)
		assert.Equal(t, []int{maxPlaces, maxPlaces + 2}, []int{len(q.Places), q.Total})
		_, err = w.Create("/locks/x/lock-one", nil, zktest.Persistent)
		require.NoError(t, err)
		time.Sleep(copyAge)
		q = queue(t, h, "/locks/x", 1)
		assert.Equal(t, []any{"", maxPlaces + 2, 2}, []any{q.Error, q.Total, q.Others}, "it is in no queue")
	})
}

// A node without a session is nobody's, also not that of a client without one.
func TestNodeOfNoSession(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		_, err := w.Create("/locks", nil, zktest.Persistent)
		require.NoError(t, err)
		_, err = w.Create("/locks/x", nil, zktest.Persistent)
		require.NoError(t, err)
		_, err = w.Create("/locks/x/lock-", []byte("left"), zktest.PersistentSequential)
		require.NoError(t, err)
		w.stand(cli, "waiting", "/locks/x/lock-", "me")
		w.Refuse()
		unborn, err := framework.New(framework.Config{ConnectString: w.ConnectString(), SessionTimeout: timeout, Dialer: w.Client("u").Dial})
		require.NoError(t, err)
		defer unborn.Close()
		assert.Equal(t, []string{"1 holds 0 left ", "2 waits 1 me client 1"}, lineOf(queue(t, Handler(cli, unborn), "/locks/x", 1)))
	})
}

// Only queues that a recipe stands in can be read, through the client that it runs on.
func TestOtherNodesAreNotRead(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		root := w.client("a")
		sub, err := root.Namespace("/sub")
		require.NoError(t, err)
		w.stand(root, "holding", "/locks/x/lock-", "root")
		w.stand(sub, "holding", "/locks/x/lock-", "sub")
		w.stand(root, "holding", "/other/lock-", "other")
		h := Handler(root, sub)
		const no = "no recipe of this client stands in such a queue"
		assert.Equal(t, "", queue(t, h, "/locks/x", 1).Error, "the page itself has shown it")
		for path, client := range map[string]int{"/": 1, "/locks": 1, "/zookeeper": 1, "/locks/x/": 1, "locks/x": 1, "/sub": 1} {
			assert.Equal(t, no, queue(t, h, path, client).Error, path)
		}
		for _, client := range []int{0, -1, 3} {
			assert.Equal(t, no, queue(t, h, "/locks/x", client).Error)
		}
		_, ok := below("/sub", "/subway/locks")
		assert.False(t, ok, "a name that only begins as the namespace does")
		assert.Equal(t, no, report(t, h, "?queue=/locks/x&client=one").Queue.Error)
		assert.Equal(t, []string{"1 holds 0 sub client 2"}, lineOf(queue(t, h, "/sub/locks/x", 1)), "seen from above")
		assert.Equal(t, []string{"1 holds 0 sub client 2"}, lineOf(queue(t, h, "/sub/locks/x", 2)))
		assert.Contains(t, queue(t, h, "/other", 2).Error, "not below /sub")
	})
}

// A process may come by any number of queues in its life, and the page does not get stuck with the first ones.
func TestManyQueues(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		h := Handler(cli).(*handler)
		for i := range 2 * maxQueues {
			h.learn(queueKey{1, fmt.Sprint("/old/", i)})
		}
		assert.Len(t, h.known, maxQueues)
		s, err := cli.Session(t.Context())
		require.NoError(t, err)
		var tracked []*framework.Tracked
		for i := range 2 * maxQueues { // more than are remembered stand now
			dir := fmt.Sprint("/locks/", i)
			tracked = append(tracked, s.Track("lock", dir, framework.Policy{}, "waiting", slog.String("node", dir+"/lock-0000000001")))
		}
		for _, i := range []int{0, maxQueues, 2*maxQueues - 1} {
			assert.Empty(t, queue(t, h, fmt.Sprint("/locks/", i), 1).Error)
		}
		for _, r := range tracked {
			r.End()
		}
		h.learn(queueKey{1, "/locks/latest"})
		assert.True(t, h.knows(make([]Client, 1), queueKey{1, "/locks/latest"}), "though no recipe stands in it now")
		assert.Len(t, h.known, maxQueues)
	})
}

// Servers that do not answer cost the page its patience and no more.
func TestQueueOfServersThatHang(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		w.stand(cli, "holding", "/locks/x/lock-", "")
		h := Options{QueueTimeout: 700 * time.Millisecond}.Handler(cli)
		report(t, h, "")
		heal := w.Blackhole(zktest.AllConns(), zktest.Both)
		began := time.Now()
		q := queue(t, h, "/locks/x", 1)
		assert.Equal(t, 700*time.Millisecond, time.Since(began))
		assert.Contains(t, q.Error, "deadline exceeded")
		assert.Contains(t, get(h, "text/html", "?queue=/locks/x").Body.String(), "The queue could not be read")
		heal()
	})
}

func TestCast(t *testing.T) {
	const r, w, kr, kw, l = seqnode.Read, seqnode.Write, seqnode.KazooRead, seqnode.KazooLock, seqnode.Lease
	for _, c := range []struct {
		kinds []seqnode.Kind
		want  string
	}{
		{[]seqnode.Kind{seqnode.Lock, seqnode.Lock, seqnode.Latch}, "holds 0, waits 1, waits 2, "},
		{[]seqnode.Kind{r, r, kr, w, r, r, kw, r}, "holds 0, holds 0, holds 0, waits 3, waits 4, waits 4, waits 6, waits 7, "},
		{[]seqnode.Kind{w, r, w}, "holds 0, waits 1, waits 2, "},
		{[]seqnode.Kind{l, l, l}, "permit 0, permit 0, permit 0, "},
	} {
		cast, got := newCast(), ""
		for i, kind := range c.kinds {
			role, waitsFor := cast.give(kind, i+1)
			got += fmt.Sprint(role, " ", waitsFor, ", ")
		}
		assert.Equal(t, c.want, got)
	}
}

// A place of several nodes is one place.
func TestTwinsAreOnePlace(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.client("a")
		const guid = "0f8b3c1e5d0a4a539d5c2f3f0a7f1e1"
		for _, n := range []string{"1", "2"} {
			w.stand(cli, "holding", "/locks/x/_c_"+guid+n+"-lock-", "node "+n)
			w.stand(cli, "holding", "/locks/x/_c_"+guid+n+"-__lock__", "twin")
		}
		h := Handler(cli)
		report(t, h, "")
		assert.Equal(t, []string{"1 holds 0 node 1 client", "2 waits 1 node 2 client"}, lineOf(queue(t, h, "/locks/x", 1)))
	})
}
