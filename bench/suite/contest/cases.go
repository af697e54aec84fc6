package contest

import (
	"fmt"
	"strconv"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
)

// What everybody takes a lock with.
var lockers = []Entrant{
	{Peer: Docent, With: "lock.Mutex"}, {Peer: GoZK, With: "zk.Lock"}, {Peer: Curator, With: "InterProcessMutex"},
	{Peer: Kazoo, With: "Lock"}, {Peer: Etcd, With: "concurrency.Mutex"},
}

// The conditions under which a case is worth the time.
var (
	everywhere = []string{"memory", "fsync", "2ms"}
	latency    = []string{"memory", "2ms"}
	inMemory   = []string{"memory"}
)

// Cases are all workloads.
func Cases() []*Case {
	all := locks()
	all = append(all, caches()...)
	all = append(all, others()...)
	return append(all, gets()...)
}

func locks() []*Case {
	handover := []Entrant{{Peer: Docent, With: "LocalHandover(32)", Args: line.Args{"handover": "32"}}}
	return []*Case{
		{
			ID: "W1", Title: "uncontended Lock and Unlock", Work: "lock", Peers: lockers, Conditions: everywhere, Gentle: true, Quick: true,
			Metrics: []Metric{
				typical.aim(map[string]float64{GoZK: 0.82, Curator: 0.85, Etcd: 1.05}),
				processor.aim(map[string]float64{GoZK: 0.9}),
			},
		},
		{
			ID: "W2", Title: "16 clients on one lock", Work: "lock", Peers: lockers, Conditions: everywhere, Quick: true,
			Args: line.Args{"clients": "16", "callers": "16"}, setup: makeDirectory,
			Metrics: []Metric{rate.aim(map[string]float64{GoZK: 1.3, Curator: 1.9}), processor},
		},
		{
			ID: "W3", Title: "64 goroutines of one client on one lock", Work: "lock", Peers: lockers[:4], Conditions: latency, Quick: true,
			Args: line.Args{"clients": "1", "callers": "64"}, setup: makeDirectory,
			Metrics: []Metric{rate.aim(map[string]float64{GoZK: 1.3}), processor},
		},
		{
			ID: "W3 handover", Title: "the same, handed over inside the process", Work: "lock", Peers: append(handover, lockers[1:3]...),
			Conditions: latency, Quick: true, Args: line.Args{"clients": "1", "callers": "64"}, setup: makeDirectory,
			Metrics: []Metric{rate.aim(map[string]float64{GoZK: 25, Curator: 200}), processor},
		},
		{
			ID: "W4", Title: "graceful change of leader", Work: "election", Conditions: latency, setup: makeDirectory, Quick: true,
			Peers: []Entrant{
				{Peer: Docent, With: "leader.Election"}, {Peer: GoZK, With: "zk.Lock"}, {Peer: Curator, With: "LeaderLatch"},
				{Peer: Kazoo, With: "Election"}, {Peer: Etcd, With: "concurrency.Election"},
			},
			Metrics: []Metric{typical.aim(map[string]float64{GoZK: 0.8})},
		},
	}
}

func caches() []*Case {
	const nodes = 10_000
	all := []Entrant{
		{Peer: Docent, With: "cache.Tree"}, {Peer: GoZK, With: "by hand"}, {Peer: Curator, With: "CuratorCache"}, {Peer: Etcd, With: "Get and Watch"},
	}
	followers := []Entrant{
		{Peer: Docent, With: "cache.Tree"}, {Peer: Curator, With: "CuratorCache"}, {Peer: Etcd, With: "Watch"}, {Peer: Loader, With: "alone"},
	}
	return []*Case{
		{
			ID: "W5 load", Title: "a cache of 10,000 nodes is opened", Work: "load", Peers: all, Unit: true, Conditions: latency, Quick: true,
			Gentle: true, Shared: true, Args: line.Args{"count": fmt.Sprint(nodes)}, setup: makeTree,
			Small: line.Args{"count": "2000"}, SmallTitle: "a cache of 2,000 nodes is opened",
			Metrics: []Metric{typical.aim(map[string]float64{Curator: 0.1, Etcd: 2}), processor, memory},
		},
		{
			ID: "W5 one-shot", Title: "the same with one-shot watches", Work: "load", Unit: true, Shared: true, Conditions: inMemory, setup: makeTree,
			Args: line.Args{"count": fmt.Sprint(nodes), "watches": "oneshot"}, Peers: all[:2],
			Metrics: []Metric{
				typical.aim(map[string]float64{GoZK: 0.7}), memory.aim(map[string]float64{GoZK: 0.7}),
				value("goroutines", "goroutines", ""),
			},
		},
		{
			ID: "W5 follow", Title: "5,000 updates of a cache of 10,000 nodes, until it has all", Work: "follow", Peers: followers, Unit: true,
			Conditions: latency, Quick: true, setup: makeTree, drive: follow,
			Args:  line.Args{"count": fmt.Sprint(nodes), "load": "set", "writes": "5000"},
			Small: line.Args{"count": "2000", "writes": "1000"}, SmallTitle: "1,000 updates of a cache of 2,000 nodes, until it has all",
			Metrics: []Metric{typical.aim(map[string]float64{Etcd: 1.1}), processor},
		},
		{
			ID: "W6", Title: "5,000 children created one by one, until the cache of their parent has all", Work: "follow", Peers: followers,
			Unit: true, Conditions: inMemory, Quick: true, setup: makeTree, drive: follow,
			Args:  line.Args{"count": "0", "load": "create", "writes": "5000"},
			Small: line.Args{"writes": "1000"}, SmallTitle: "1,000 children created one by one, until the cache of their parent has all",
			Metrics: []Metric{typical.aim(map[string]float64{Loader: 1.1}), processor},
		},
	}
}

func others() []*Case {
	pickers := []Entrant{{Peer: Docent, With: "Service.Pick"}, {Peer: GoZK, With: "an atomic index"}, {Peer: Curator, With: "ServiceProvider"}}
	pick := func(callers int, aims map[string]float64) *Case {
		m := perOp.aim(aims)
		return &Case{
			ID: fmt.Sprintf("W7 x%d", callers), Title: fmt.Sprintf("one of 200 instances is picked, %d callers", callers), Work: "pick",
			Peers: pickers, Conditions: inMemory, Quick: true, setup: makeService, Metrics: []Metric{m},
			Args: line.Args{"n": "200", "callers": fmt.Sprint(callers)},
		}
	}
	return []*Case{
		pick(1, nil),
		pick(4, map[string]float64{GoZK: 1.5}),
		{
			ID: "W8", Title: "1,000 kept nodes are back after a lost session", Work: "kept", Unit: true, Relayed: true, Conditions: latency,
			Quick: true, Args: line.Args{"n": "1000"}, setup: makeDirectory, drive: comeBack,
			Peers: []Entrant{{Peer: Docent, With: "node.Keeper"}, {Peer: GoZK, With: "by hand"}, {Peer: Curator, With: "PersistentNode"}},
			Metrics: []Metric{
				typical.most(150e3), value("first", "first_us", "us"), value("rest", "rest_us", "us"), processor,
			},
		},
		{
			ID: "idle", Title: "a client that does nothing", Work: "idle", Unit: true, Conditions: inMemory, Quick: true,
			Args: line.Args{"n": "50"}, Small: line.Args{"n": "20"},
			Peers:   []Entrant{{Peer: Docent, With: "framework.Client"}, {Peer: GoZK, With: "zk.Conn"}, {Peer: Curator, With: "CuratorFramework"}},
			Metrics: []Metric{value("heap", "heap_bytes", "B").most(64 << 10), value("goroutines", "goroutines", "")},
		},
	}
}

// gets read one node with few and with many callers.
func gets() []*Case {
	var all []*Case
	for _, callers := range []int{1, 16, 256} {
		metrics := []Metric{rate, typical, processor.aim(map[string]float64{GoZK: 1})}
		if callers == 1 {
			metrics[0], metrics[1] = typical, rate
		}
		all = append(all, &Case{
			ID: "W9 x" + strconv.Itoa(callers), Title: fmt.Sprintf("a node is read, %d callers on one session", callers), Work: "get",
			Conditions: latency, Gentle: callers <= 16, Quick: true, Args: line.Args{"callers": strconv.Itoa(callers)}, setup: makeNode,
			Peers: []Entrant{
				{Peer: Docent, With: "Get"}, {Peer: GoZK, With: "zk.Conn.Get"}, {Peer: Curator, With: "getData"}, {Peer: Kazoo, With: "get"},
				{Peer: Etcd, With: "Get"},
			},
			Metrics: metrics,
		})
	}
	return all
}

// serviceName is that of the service that instances belong to.
const serviceName = "orders"

// instancePayload is the data of an instance.
func instancePayload(i int) []byte { return kit.Instance(serviceName, strconv.Itoa(i), 1024+i%1000) }
