package contest

import (
	"github.com/docent-zk/docent/bench/suite/line"
)

// AllSeries are all series.
func AllSeries() []*Series {
	return []*Series{
		{
			Of: "waiters", Sizes: []int{10, 30, 100, 300, 1000, 3000, 10_000}, Bound: map[string]int{Curator: 1000, GoZK: 3000}, Patience: 2,
			Case: Case{
				ID: "G1", Title: "waiters of 16 clients join the queue of one lock, and all get their turn", Work: "waiters",
				Args: line.Args{"clients": "16"}, Relayed: true, setup: makeDirectory, drive: bytesPassed(plain), Unit: true,
				Peers:   lockers[:3],
				Metrics: []Metric{typicalElapsed, value("received", "received", "B").exponent(1.1), cpuTotal, memory, goroutines},
			},
		},
		{
			Of: "waiters", Sizes: []int{10, 30, 100, 300, 1000}, Bound: map[string]int{Curator: 300, GoZK: 300},
			Case: Case{
				ID: "G1b", Title: "waiters, each in a client of its own, join the queue of one lock, and all get their turn", Work: "waiters",
				Args: line.Args{"clients": sizeItself}, Relayed: true, setup: makeDirectory, drive: bytesPassed(plain), Unit: true,
				Peers:   lockers[:3],
				Metrics: []Metric{typicalElapsed, value("received", "received", "B"), cpuTotal},
			},
		},
		{
			Of: "nodes", Sizes: []int{100, 300, 1000, 3000, 10_000, 30_000, 100_000}, Bound: map[string]int{Curator: 30_000, GoZK: 30_000},
			Case: Case{
				ID: "G2", Title: "a cache is opened", Work: "load", Relayed: true, Shared: true, setup: makeTree, drive: bytesPassed(plain), Unit: true,
				Peers: []Entrant{
					{Peer: Docent, With: "cache.Tree"}, {Peer: GoZK, With: "by hand"}, {Peer: Curator, With: "CuratorCache"}, {Peer: Etcd, With: "Get and Watch"},
				},
				Metrics: []Metric{typicalElapsed, memory, value("received", "received", "B"), goroutines.most(32)},
			},
		},
		{
			Of: "instances", Sizes: []int{10, 30, 100, 300, 1000, 3000, 10_000},
			Case: Case{
				ID: "G3", Title: "one instance of a service changes", Work: "instances", Relayed: true, setup: makeService,
				Args: line.Args{"changes": "20"}, drive: bytesPassed(plain), Unit: true,
				Peers:   []Entrant{{Peer: Docent, With: "discovery.Service"}, {Peer: Curator, With: "ServiceCache"}},
				Metrics: []Metric{processor.exponent(0.3), value("received", "received", "B"), perOp},
			},
		},
		{
			Of: "clients", Sizes: []int{1, 3, 10, 30, 100, 300, 1000},
			Case: Case{
				ID: "G4", Title: "clients connect, and each takes a lock of its own", Work: "clients", setup: makeDirectory, Unit: true,
				Peers: lockers[:2], Metrics: []Metric{typicalElapsed, memory, cpuTotal, goroutines},
			},
		},
		{
			Of: "watches", Sizes: []int{100, 300, 1000, 3000, 10_000, 30_000, 100_000, 200_000},
			Case: Case{
				ID: "G5", Title: "watches are set, and set again after the connection broke", Work: "watches", Relayed: true, drive: rearm, Unit: true,
				setup: makeDirectory, Peers: []Entrant{{Peer: Docent, With: "WatchExists"}, {Peer: GoZK, With: "zk.Conn.ExistsW"}},
				Metrics: []Metric{value("again", "rearm_us", "us"), typicalElapsed, cpuTotal, memory, goroutines},
			},
		},
		{
			Of: "kept nodes", Sizes: []int{10, 100, 1000, 10_000}, Scale: true,
			Case: Case{
				ID: "G6", Title: "the session of a client that keeps nodes is lost, and all nodes come back", Work: "kept", Relayed: true,
				setup: makeDirectory, drive: comeBack, Unit: true, Peers: []Entrant{{Peer: Docent, With: "node.Keep"}},
				Metrics: []Metric{typicalElapsed, cpuTotal, memory, goroutines},
			},
		},
		{
			Of: "changes", Sizes: []int{1000, 10_000, 100_000, 200_000}, Scale: true,
			Case: Case{
				ID: "G7", Title: "1,000 cached nodes change while a listener with QueueBound(64) reads none of its events", Work: "unread", setup: makeDirectory, Unit: true,
				Peers: []Entrant{{Peer: Docent, With: "cache.Tree"}}, Metrics: []Metric{typicalElapsed, memory.exponent(0.6).most(8 << 20), goroutines.most(32)},
			},
		},
	}
}

var (
	memory         = value("heap", "heap_bytes", "B").exponent(1.1)
	goroutines     = value("goroutines", "goroutines", "").exponent(1.1)
	typicalElapsed = Metric{Name: "time", Unit: "us", of: func(a line.Answer) float64 { return a.ElapsedUS }}
	cpuTotal       = Metric{Name: "CPU", Unit: "us", of: func(a line.Answer) float64 { return a.CPUUS }}
	perOp          = Metric{Name: "time", Unit: "us", of: func(a line.Answer) float64 { return a.ElapsedUS / float64(a.Ops) }}
)
