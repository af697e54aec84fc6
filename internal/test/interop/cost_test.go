package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// round is something done once, from nothing to nothing, again and again.
type round func()

// comparison is what docent and Curator are counted at.
type comparison struct {
	what   string
	ours   func(w *world, cli *framework.Client, path string) round
	theirs func(p *party, path string) round
	more   int64 // how many requests docent may need more than Curator; fewer, if it is negative
}

var comparisons = []comparison{
	{"mutex: lock, unlock", roundOf(ourMutex), theirRound("mutex"), 0},
	{"write lock: lock, unlock", roundOf(ourWriter), theirRound("write"), 0},
	{"read lock: lock, unlock", roundOf(ourReader), theirRound("read"), 0},
	{"semaphore: acquire 1 permit, release", roundOf(ourPermits(5, 1)), theirRound("semaphore/5/1"), -1},
	{"semaphore: acquire 3 permits, release", roundOf(ourPermits(5, 3)), theirRound("semaphore/5/3"), -1},
	{"latch: stand, lead, resign", ourTerm, theirs3("latch.start", "latch.await", "latch.close"), 0},
	{"node: keep, close", ourNode, theirs3("node.keep", "", "node.close"), 1}, // Curator is sometimes told of the end before it gives up its watch
	{"shared integer: add", ourSum, theirSum("int"), 0},
	{"barrier: set, remove", ourGate, theirs3("barrier.set", "", "barrier.remove"), 0},
	{"double barrier, alone: enter, leave", ourPassage, theirs3("double.enter", "", "double.leave"), 0},
}

func roundOf(taker taker) func(*world, *framework.Client, string) round {
	return func(w *world, cli *framework.Client, path string) round {
		d := &docentLock{t: w.t, lock: taker(cli, path)}
		return func() {
			d.take().wait(w.t)
			d.giveBack()
		}
	}
}

func theirRound(kind string) func(*party, string) round {
	return func(p *party, path string) round {
		return func() {
			p.do("lock.acquire", kind, path)
			p.do("lock.release")
		}
	}
}

func ourTerm(w *world, cli *framework.Client, path string) round {
	return func() {
		c := stand(w.t, cli, path, "docent")
		c.leads.wait(w.t)
		c.resigns()
	}
}

func ourNode(w *world, cli *framework.Client, path string) round {
	return func() {
		k, err := node.Keep(within(w.t), cli, path+"/a", []byte("kept"))
		require.NoError(w.t, err)
		require.NoError(w.t, k.Close(within(w.t)))
	}
}

func ourSum(w *world, cli *framework.Client, path string) round {
	i := counter.NewInt(cli, path+"sum") // beside the path: its receipt has an ephemeral node
	return func() { adds(w.t, i, 1, 1) }
}

func theirSum(kind string) func(*party, string) round {
	return func(p *party, path string) round {
		return func() { p.do("count.add", kind, path+"sum", 1, 1) }
	}
}

func ourGate(w *world, cli *framework.Client, path string) round {
	b := barrier.New(cli, path+"/a")
	return func() {
		require.NoError(w.t, b.Set(within(w.t)))
		require.NoError(w.t, b.Remove(within(w.t)))
	}
}

func ourPassage(w *world, cli *framework.Client, path string) round {
	d := barrier.NewDouble(cli, path, 1)
	return func() {
		in, err := d.Enter(within(w.t))
		require.NoError(w.t, err)
		require.NoError(w.t, in.Leave(within(w.t)))
	}
}

// theirs3 are up to three commands, of which the second may be missing.
func theirs3(first, second, third string) func(*party, string) round {
	arguments := map[string][]any{
		"latch.start": {"", "curator"}, "node.keep": {"/a", "EPHEMERAL", "", hexed("kept")}, "double.enter": {"", 1},
		"barrier.set": {"/a"}, "barrier.remove": {"/a"},
	}
	return func(p *party, path string) round {
		do := func(command string) {
			args := slices.Clone(arguments[command])
			if len(args) > 0 {
				args[0] = path + fmt.Sprint(args[0])
			}
			p.do(command, args...)
		}
		return func() {
			do(first)
			if second != "" {
				do(second)
			}
			do(third)
		}
	}
}

// rounds is how often each is done. Of docent's the cheapest one counts: on a slow machine so much time may pass between
// locking and unlocking that it sets a watch on its own node, which it does after 20 ms. Of Curator's the mean counts, because
// it asks for some things in the background, which may come in the next round.
const rounds = 8

// What the server counts for docent and for Curator, doing the same.
func TestRequestsBesideCurator(t *testing.T) {
	t.Parallel()
	f := onFake(t)
	f.compare(func(c comparison, ours, theirs requests) {
		assert.LessOrEqual(t, total(ours), total(theirs)+c.more, c.what)
	})
}

// BenchmarkRecipes prints what TestRequestsBesideCurator looks at.
func BenchmarkRecipes(b *testing.B) {
	for range b.N {
		f := onFake(b)
		f.compare(func(c comparison, ours, theirs requests) {
			name := strings.NewReplacer(" ", "-", ",", "", ":", "").Replace(c.what)
			b.ReportMetric(float64(total(ours)), name+"-requests")
			b.ReportMetric(float64(total(theirs)), "Curator-"+name+"-requests")
		})
	}
	b.ReportMetric(0, "ns/op")
}

// compare counts all comparisons, and shows them as a table.
func (f *fake) compare(each func(c comparison, ours, theirs requests)) {
	cli, other := f.client(), f.curator()
	table := &table{of: "requests"}
	for i, c := range comparisons {
		at := func(who string) string { return fmt.Sprintf("/%s%d", who, i) }
		f.create(at("ours"), "")
		f.create(at("theirs"), "")
		ours := f.cheapest(cli.State().SessionID, c.ours(f.world, cli, at("ours")), at("ours"))
		theirs := f.mean(sessionOf(f.t, other), c.theirs(other, at("theirs")), at("theirs"))
		table.add(c.what, "docent", fmt.Sprintf("%d: %v", total(ours), ours))
		table.add(c.what, "Curator", fmt.Sprintf("%d: %v", total(theirs), theirs))
		each(c, ours, theirs)
	}
	f.show(table)
}

func sessionOf(t testing.TB, p *party) (id int64) {
	t.Helper()
	_, err := fmt.Sscan(p.says("session"), &id)
	require.NoError(t, err)
	return id
}

// requests is what something has cost, by opcode.
type requests = map[zktest.Op]int64

// cheapest is the cost of the cheapest round, but for the first one, which makes directories.
func (f *fake) cheapest(session int64, do round, path string) (best requests) {
	do()
	f.quiet(path)
	for range rounds {
		before := f.server.SessionCounts(session)
		do()
		f.quiet(path)
		if cost := f.since(session, before); best == nil || total(cost) < total(best) {
			best = cost
		}
	}
	return best
}

// mean is the cost of all rounds but the first one, by their number.
func (f *fake) mean(session int64, do round, path string) requests {
	do()
	f.quiet(path)
	before := f.server.SessionCounts(session)
	for range rounds {
		do()
		f.quiet(path)
	}
	cost := f.since(session, before)
	for op, n := range cost {
		cost[op] = (n + rounds/2) / rounds
	}
	return cost
}

// quiet waits until no session has a node below a path any more.
func (f *fake) quiet(path string) {
	f.t.Helper()
	f.untilSubtree(path, func(nodes map[string]sight) bool { return queued(nodes) == 0 })
}

// since is what a session has asked for since then, but for pings.
func (f *fake) since(session int64, before zktest.Counts) requests {
	cost := f.server.SessionCounts(session).Sub(before).Requests
	delete(cost, zktest.OpPing)
	return cost
}

func total(r requests) (n int64) {
	for _, count := range r {
		n += count
	}
	return n
}

// A connection breaks and is made again in the same session, while a node is kept. Curator writes it again and again, so that
// all who watch it are woken; docent's stands, and nobody hears of it. The dearest blip of docent is compared with the
// cheapest one of Curator.
func TestReconnectBesideCurator(t *testing.T) {
	t.Parallel()
	f := onFake(t)
	cli, other := f.client(), f.curator()
	_, err := node.Keep(within(t), cli, "/ours", []byte("kept"))
	require.NoError(t, err)
	other.do("node.keep", "/theirs", "EPHEMERAL", "", hexed("kept"))
	ourSession, theirSession := cli.State().SessionID, sessionOf(t, other)
	var dearest, cheapest requests
	for range 3 {
		beforeOurs, beforeTheirs := f.server.SessionCounts(ourSession), f.server.SessionCounts(theirSession)
		version := f.stat("/theirs").Version
		f.blip(ourSession)
		require.NoError(t, cli.Sync(within(t), "/")) // which counts, and so waits for the connection
		f.blip(theirSession)
		f.untilSubtree("/theirs", func(map[string]sight) bool { return f.stat("/theirs").Version > version })
		if cost := f.since(ourSession, beforeOurs); total(cost) > total(dearest) {
			dearest = cost
		}
		if cost := f.since(theirSession, beforeTheirs); cheapest == nil || total(cost) < total(cheapest) {
			cheapest = cost
		}
	}
	dearest[zktest.OpSync]--
	t.Logf("requests after a blip: docent %d %v, Curator %d %v", total(dearest), dearest, total(cheapest), cheapest)
	assert.Less(t, total(dearest), total(cheapest))
	assert.Zero(t, f.stat("/ours").Version, "nobody has written it")
	assert.Zero(t, dearest[zktest.OpSetData]+dearest[zktest.OpCreate]+dearest[zktest.OpCreate2]+dearest[zktest.OpMulti]+dearest[zktest.OpDelete])
}

// blip cuts a session's connection and waits until it has another one.
func (f *fake) blip(session int64) {
	f.t.Helper()
	old := f.conn(session)
	require.NotZero(f.t, old)
	require.Equal(f.t, 1, f.server.Cut(zktest.SessionConns(session)))
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	ctx := within(f.t)
	for f.conn(session) <= old {
		select {
		case <-look.C:
		case <-ctx.Done():
			require.FailNow(f.t, "the session does not come back")
		}
	}
}

// conn is the number of a session's connection, 0 if it has none.
func (f *fake) conn(session int64) int64 {
	for _, c := range f.server.Conns() {
		if c.Session == session {
			return c.ID
		}
	}
	return 0
}
