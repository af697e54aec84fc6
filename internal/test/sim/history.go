package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/docent-zk/docent/zktest"
)

// history has every state of every node at and below a path, in the order in which the server made them.
type history struct {
	under string
	start time.Time

	mu    sync.Mutex
	nodes map[string][]state
	zxid  int64 // last transaction that changed one of them
}

// state is how a node was, or that it was not there, from one transaction until another.
type state struct {
	gone    bool
	from    int64 // transaction that made it so: the node's mzxid, unless it is gone
	until   int64 // transaction that ended it; 0 if none did
	czxid   int64
	owner   int64
	version int32
	data    string
	at      time.Duration // when it began
}

func (s state) String() string {
	if s.gone {
		return fmt.Sprintf("gone since %#x", s.from)
	}
	return fmt.Sprintf("%q, version %d, czxid %#x, mzxid %#x, since %v", s.data, s.version, s.czxid, s.from, s.at)
}

// follow notes what happens at and below a path from now on. The node at the path must not exist yet.
func (w *World) follow(under string) *history {
	h := &history{under: under, start: w.start, nodes: make(map[string][]state)}
	w.Log.observe(h.note)
	return h
}

func (h *history) note(c zktest.Change) {
	if c.Path != h.under && !strings.HasPrefix(c.Path, h.under+"/") {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.zxid = c.Zxid
	list := h.nodes[c.Path]
	next := state{
		gone: c.Event == zktest.EventDeleted, from: c.Zxid, czxid: c.Czxid, owner: c.Owner, data: string(c.Data), at: time.Since(h.start),
	}
	if n := len(list); n > 0 {
		if c.Event == zktest.EventDataChanged {
			next.version = list[n-1].version + 1
		}
		if list[n-1].from == c.Zxid { // nobody can have seen it
			list = list[:n-1]
		}
	}
	if n := len(list); n > 0 {
		list[n-1].until = c.Zxid
	}
	h.nodes[c.Path] = append(list, next)
}

// now is the last transaction that has changed anything.
func (h *history) now() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.zxid
}

// states returns all states of a node.
func (h *history) states(path string) []state {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.nodes[path])
}

// latest is the present state of a node.
func (h *history) latest(path string) state {
	h.mu.Lock()
	defer h.mu.Unlock()
	if list := h.nodes[path]; len(list) > 0 {
		return list[len(list)-1]
	}
	return state{gone: true}
}

// find returns the state of a node that a transaction made.
func (h *history) find(path string, mzxid int64) (state, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range slices.Backward(h.nodes[path]) {
		if s.from == mzxid && !s.gone {
			return s, true
		}
	}
	return state{}, false
}

// goneSince reports whether there was a time behind a transaction in which a node was not there.
func (h *history) goneSince(path string, zxid int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.nodes[path]
	if len(list) == 0 || list[0].from > zxid {
		return true // it was not there yet
	}
	return slices.ContainsFunc(list, func(s state) bool { return s.gone && (s.until == 0 || s.until > zxid) })
}

// goneBetween reports whether a node was not there at some moment between two times.
func (h *history) goneBetween(path string, from, to time.Duration) bool {
	return h.wasBetween(path, true, from, to)
}

// thereBetween reports whether a node was there at some moment between two times.
func (h *history) thereBetween(path string, from, to time.Duration) bool {
	return h.wasBetween(path, false, from, to)
}

// wasBetween reports whether a node was gone, or was there, at some moment between two times. It is gone at first.
func (h *history) wasBetween(path string, gone bool, from, to time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	was, since := true, time.Duration(0)
	for _, s := range h.nodes[path] {
		if was == gone && since <= to && s.at >= from {
			return true
		}
		was, since = s.gone, s.at
	}
	return was == gone && since <= to
}

// present returns the nodes that are there now, by path.
func (h *history) present() map[string]state {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make(map[string]state)
	for path, list := range h.nodes {
		if s := list[len(list)-1]; !s.gone {
			all[path] = s
		}
	}
	return all
}

// paths lists every node that ever was, in order.
func (h *history) paths() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.nodes))
}

// wasSince reports whether a node was as seen, by its mzxid or not at all, at some time behind a transaction.
func (h *history) wasSince(path string, mzxid int64, there bool, zxid int64) bool {
	if !there {
		return h.goneSince(path, zxid)
	}
	s, ok := h.find(path, mzxid)
	return ok && (s.until == 0 || s.until > zxid)
}
