package interop

import (
	"fmt"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

// seat is somebody who uses one lock again and again, in a session that is known.
type seat struct {
	session int64
	take    func() *call
	release func()
}

// seats are who is counted: how each of them comes to use the lock on a path.
var seats = map[string]func(f *fake, path string) seat{
	"docent": func(f *fake, path string) seat {
		cli := f.client()
		d := &docentLock{t: f.t, lock: ourMutex(cli, path)}
		return seat{cli.State().SessionID, d.take, d.giveBack}
	},
	"Curator": func(f *fake, path string) seat { return peerSeat(f.curator(), path) },
	"kazoo":   func(f *fake, path string) seat { return peerSeat(f.kazoo(), path) },
	"zk.Lock": func(f *fake, path string) seat {
		conn, root := f.zkConn()
		l := &zkLock{f.t, zk.NewLock(conn, root+path, zk.WorldACL(zk.PermAll))}
		l.take().wait(f.t)
		l.giveBack()
		return seat{conn.SessionID(), l.take, l.giveBack}
	},
}

func peerSeat(p *party, path string) seat {
	p.do("loss.hold", path)
	p.do("loss.release")
	return seat{sessionOf(p.t, p), func() *call { return p.begin("loss.again") }, func() { p.do("loss.release") }}
}

// What one lock costs when nobody else wants it, and what its hand-over costs to somebody who waits, from the release on.
// docent is to need no more than anybody else. Its cheapest round counts, as in TestRequestsBesideCurator.
func TestRequestsOfALockBesideAll(t *testing.T) {
	t.Parallel()
	f := onFake(t)
	costs := &table{of: "requests"}
	alone, handed := map[string]int64{}, map[string]int64{}
	for name, come := range seats {
		path := "/" + name
		f.create(path, "")
		one, two := come(f, path), come(f, path)
		f.quiet(path)
		count := f.mean
		if name == "docent" {
			count = f.cheapest
		}
		cost := count(one.session, func() {
			one.take().wait(t)
			one.release()
		}, path)
		alone[name] = total(cost)
		costs.add("lock, unlock", name, fmt.Sprint(total(cost), " ", cost))

		cost = f.handover(one, two, path)
		for range rounds - 1 {
			if again := f.handover(one, two, path); name == "docent" && total(again) < total(cost) {
				cost = again
			}
		}
		handed[name] = total(cost)
		costs.add("hand-over", name, fmt.Sprint(total(cost), " ", cost))
	}
	f.show(costs)
	for name := range seats {
		assert.LessOrEqual(t, alone["docent"], alone[name], name)
		assert.LessOrEqual(t, handed["docent"], handed[name], name)
	}
}

// handover is what one lock costs from the release on until the one who waits has it.
func (f *fake) handover(one, two seat, path string) requests {
	f.t.Helper()
	one.take().wait(f.t)
	watches := f.server.SessionCounts(two.session).Watches
	next := two.take()
	f.untilThereAre(path, 2)
	for f.server.SessionCounts(two.session).Watches == watches {
		_, err := f.eye.Get(within(f.t), "/") // a moment
		require.NoError(f.t, err)
	}
	beforeOne, beforeTwo := f.server.SessionCounts(one.session), f.server.SessionCounts(two.session)
	one.release()
	next.wait(f.t)
	cost := f.since(two.session, beforeTwo)
	for op, n := range f.since(one.session, beforeOne) {
		cost[op] += n
	}
	delete(cost, zktest.OpPing)
	two.release()
	f.quiet(path)
	return cost
}
