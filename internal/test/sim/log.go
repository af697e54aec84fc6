package sim

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// Log is the server's own account of its nodes: when each was created, when and by whom it was deleted. It is written as the
// transactions are applied, and reads no client.
type Log struct {
	start time.Time

	mu        sync.Mutex
	alive     map[string]*Life   // by path
	living    map[string][]*Life // by parent, in the order of creation
	dirs      map[string][]*Life // by parent, in the order of creation
	forced    map[string]int64   // paths of nodes that are about to be taken away, with their czxid
	observers []func(zktest.Change)
}

// Life is one node, from its creation to its deletion.
type Life struct {
	Path       string
	Place      int // sequence number, -1 if it has none
	Czxid      int64
	Owner      int64 // session, 0 if the node is not ephemeral
	Data       string
	Born, Died time.Duration
	Asked      time.Duration // when another session wrote to it first, which is how a lock is asked for; 0 if none did
	Dead       bool
	Dzxid      int64 // transaction that deleted it
	By         int64 // session that deleted it, or whose end did
	Ending     bool  // the end of a session deleted it
	Forced     bool  // a fault deleted it, or ended its session before its time: no client could know
	replaced   bool  // another node of its directory stood right behind the transaction that deleted it
}

// Released reports whether the owner deleted the node by a request, and not before the time called.
func (l *Life) Released(called time.Duration) bool {
	return l.Dead && !l.Ending && l.By == l.Owner && l.Died >= called
}

func newLog(start time.Time) *Log {
	return &Log{start: start, alive: make(map[string]*Life), living: make(map[string][]*Life), dirs: make(map[string][]*Life), forced: make(map[string]int64)}
}

// note is zktest's Config.Log.
func (l *Log) note(c zktest.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Since(l.start)
	dir, name := framework.Split(c.Path)
	switch life := l.alive[c.Path]; c.Event {
	case zktest.EventCreated:
		if before := l.latest(dir); before != nil && before.Dzxid == c.Zxid {
			before.replaced = true
		}
		life = &Life{Path: c.Path, Place: place(name), Czxid: c.Czxid, Owner: c.Owner, Data: string(c.Data), Born: now}
		l.alive[c.Path], l.living[dir], l.dirs[dir] = life, append(l.living[dir], life), append(l.dirs[dir], life)
	case zktest.EventDeleted:
		life.Dead, life.Died, life.Dzxid, life.By, life.Ending = true, now, c.Zxid, c.Session, c.Ending
		czxid, forced := l.forced[c.Path]
		life.Forced = forced && czxid == c.Czxid && (c.Ending || c.Session == 0)
		delete(l.forced, c.Path)
		delete(l.alive, c.Path)
		isLife := func(other *Life) bool { return other == life }
		l.living[dir] = slices.DeleteFunc(l.living[dir], isLife)
		life.replaced = len(l.living[dir]) > 0
		if c.Czxid == c.Zxid { // it came and went in one transaction: nobody has seen it
			l.dirs[dir] = slices.DeleteFunc(l.dirs[dir], isLife)
		}
	case zktest.EventDataChanged:
		life.Data = string(c.Data)
		if c.Session != life.Owner && life.Asked == 0 {
			life.Asked = now
		}
	}
	for _, f := range l.observers {
		f(c)
	}
}

// latest is the latest life of a directory.
func (l *Log) latest(dir string) *Life {
	if n := len(l.dirs[dir]); n > 0 {
		return l.dirs[dir][n-1]
	}
	return nil
}

// last is the latest life of a path.
func (l *Log) last(dir, path string) *Life {
	for _, life := range slices.Backward(l.dirs[dir]) {
		if life.Path == path {
			return life
		}
	}
	return nil
}

// observe has f called with every change, in the order of the transactions. f must not call the server, nor what locks the log.
func (l *Log) observe(f func(zktest.Change)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.observers = append(l.observers, f)
}

// Force says that the nodes at these paths are about to be taken away in a way that no client can know of.
func (l *Log) Force(paths ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, path := range paths {
		if life := l.alive[path]; life != nil {
			l.forced[path] = life.Czxid
		}
	}
}

// Dir returns copies of all lives in a directory, in the order of their creation.
func (l *Log) Dir(dir string) []Life {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Life, len(l.dirs[dir]))
	for i, life := range l.dirs[dir] {
		list[i] = *life
	}
	return list
}

// Created returns what a transaction created in a directory.
func (l *Log) Created(dir string, czxid int64) []Life {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.created(dir, czxid)
}

func (l *Log) created(dir string, czxid int64) []Life {
	i, _ := slices.BinarySearchFunc(l.dirs[dir], czxid, func(life *Life, czxid int64) int { return int(life.Czxid - czxid) })
	var list []Life
	for ; i < len(l.dirs[dir]) && l.dirs[dir][i].Czxid == czxid; i++ {
		list = append(list, *l.dirs[dir][i])
	}
	return list
}

// Ahead returns the nodes in a directory that stand now and come before another one.
func (l *Log) Ahead(dir string, own Life) []Life {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []Life
	for _, life := range l.living[dir] {
		if life.Place >= 0 && life.Place < own.Place && life.Czxid != own.Czxid {
			list = append(list, *life)
		}
	}
	return list
}

// Latest returns the latest node at a path.
func (l *Log) Latest(path string) (Life, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dir, _ := framework.Split(path)
	if life := l.last(dir, path); life != nil {
		return *life, true
	}
	return Life{}, false
}

// place is the sequence number at the end of a node's name, -1 if there is none.
func place(name string) int {
	const digits = 10
	if len(name) < digits {
		return -1
	}
	n, err := strconv.Atoi(name[len(name)-digits:])
	if err != nil {
		return -1
	}
	return n
}

// First returns the oldest node that stood in a directory right behind a transaction.
func (l *Log) First(dir string, zxid int64) (Life, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, life := range l.dirs[dir] {
		if life.Czxid <= zxid && (!life.Dead || life.Dzxid > zxid) {
			return *life, true
		}
	}
	return Life{}, false
}

// ForcedAt returns when a node that a transaction created in a directory was taken away by force.
func (l *Log) ForcedAt(dir string, czxid int64) (at time.Duration, forced bool) {
	for _, life := range l.Created(dir, czxid) {
		if life.Forced && (!forced || life.Died < at) {
			at, forced = life.Died, true
		}
	}
	return at, forced
}

// Ephemerals returns the ephemeral nodes below a path that stand now, in the order of their names.
func (l *Log) Ephemerals(under string) []Life {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []Life
	for path, life := range l.alive {
		if life.Owner != 0 && strings.HasPrefix(path, under+"/") {
			list = append(list, *life)
		}
	}
	slices.SortFunc(list, func(a, b Life) int { return strings.Compare(a.Path, b.Path) })
	return list
}

// stands reports whether a node stands. It is for observers, who are called with the log's lock held.
func (l *Log) stands(path string, czxid int64) bool {
	life := l.alive[path]
	return life != nil && life.Czxid == czxid
}
