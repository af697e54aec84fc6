package framework

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// target is an address to dial, with the server that it belongs to, against whose name TLS verifies. If names are not
// resolved here, the two are the same.
type target struct{ server, addr string }

// unlisted is the server to dial while no list is known.
const unlisted = "Config.Servers"

// decided returns the server to dial: the next in turn, unless a list, or addresses for Config.Prefer, have to be
// obtained first.
func (h *hosts) decided(ctx context.Context, server string) (string, error) {
	h.mu.Lock()
	judging := h.cfg.Prefer != nil && h.cfg.LookupHost != nil && h.seek != nil && !h.sought
	h.sought = true
	h.mu.Unlock()
	switch deadline, _ := ctx.Deadline(); {
	case server == unlisted:
		if err := h.seek(ctx); err != nil {
			return server, err
		}
	case judging:
		ctx, cancel := context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
		_ = h.seek(ctx) // names that could not be resolved are judged by name
	default:
		return server, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.turn(), nil
}

// exhausted signals that all targets have failed since the last session was up. The mutex is held.
func (h *hosts) exhausted() {
	select {
	case h.lost <- struct{}{}:
	default:
	}
}

// list is the servers that the client may dial.
type list struct {
	names []string            // those that it has to use
	spare []string            // used only if none of the others can be reached
	known map[string][]string // addresses of all of them, as far as they could be resolved
}

// replace replaces the list. It returns the addresses to choose from before and after, without spare ones.
func (h *hosts) replace(l list) (before, after []target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name, addrs := range l.known {
		if len(addrs) > 0 && len(h.found[name]) == 0 && slices.Contains(h.names, name) {
			h.found[name] = addrs // a name that is resolved for the first time is not a new server
		}
	}
	before = h.chosen()
	h.spare = make(map[string]bool)
	for _, name := range l.spare {
		h.spare[name] = !slices.Contains(l.names, name)
	}
	kept := make(map[string]bool)
	for _, name := range append(slices.Clone(l.names), l.spare...) {
		kept[name] = true
	}
	names := slices.DeleteFunc(slices.Clone(h.names), func(name string) bool { return !kept[name] })
	for _, name := range names {
		delete(kept, name)
	}
	fresh := slices.Sorted(maps.Keys(kept))
	shuffle(h.random, fresh)
	h.names = slices.Concat(names, fresh)
	for name, addrs := range l.known {
		if len(addrs) > 0 {
			h.known[name], h.found[name] = addrs, addrs
		}
	}
	gone := func(name string, _ []string) bool { return !slices.Contains(h.names, name) }
	maps.DeleteFunc(h.known, gone)
	maps.DeleteFunc(h.found, gone)
	h.forget()
	return before, h.chosen()
}

// chosen returns the addresses to choose from, without spare ones and duplicates. The mutex is held.
func (h *hosts) chosen() (targets []target) {
	seen := make(map[string]bool)
	for _, name := range h.names {
		if h.spare[name] {
			continue
		}
		addrs := h.found[name]
		if len(addrs) == 0 {
			addrs = []string{name}
		}
		for _, addr := range addrs {
			if !seen[addr] {
				seen[addr] = true
				targets = append(targets, target{name, addr})
			}
		}
	}
	return targets
}

// forget drops what is known about targets that are no longer in the list. The mutex is held.
func (h *hosts) forget() {
	forgotten := func(name string, _ uint64) bool { return !h.knows(name) }
	maps.DeleteFunc(h.tried, forgotten)
	maps.DeleteFunc(h.down, forgotten)
	maps.DeleteFunc(h.liked, func(t target, _ bool) bool { return !h.knows(t.addr) || !slices.Contains(h.names, t.server) })
}

// judge calls Config.Prefer for addresses for which it has not been called. No mutex is held during the call.
func (h *hosts) judge(server string, addrs []string) {
	if h.cfg.Prefer == nil {
		return
	}
	for _, addr := range addrs {
		t := target{server, addr}
		h.mu.Lock()
		_, asked := h.liked[t]
		h.mu.Unlock()
		if asked {
			continue
		}
		var liked bool
		_ = guarded("Prefer", server, func() error {
			liked = h.cfg.Prefer(server, addr)
			return nil
		}, h.panicked)
		h.mu.Lock()
		h.liked[t] = liked
		h.mu.Unlock()
	}
}

// serving returns the target of the current connection, or the zero target, and whether it is preferred.
func (h *hosts) serving() (t target, preferred bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.serves, h.cfg.Prefer == nil || h.liked[h.serves]
}

// compare orders targets.
func (t target) compare(o target) int {
	return cmp.Or(strings.Compare(t.addr, o.addr), strings.Compare(t.server, o.server))
}

// candidates returns the addresses to choose from, sorted.
func (h *hosts) candidates() []target {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.chosen()
	slices.SortFunc(all, target.compare)
	return all
}

// preferred returns the preferred targets of a list.
func (h *hosts) preferred(list []target) (preferred []target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range list {
		if h.liked[t] {
			preferred = append(preferred, t)
		}
	}
	return preferred
}

// preferFirst moves the targets that Config.Prefer prefers to the front.
func (h *hosts) preferFirst(list []target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.SortStableFunc(list, func(a, b target) int {
		switch {
		case h.liked[a] == h.liked[b]:
			return 0
		case h.liked[a]:
			return -1
		}
		return 1
	})
}

// listed returns the names in the list, without spare ones, sorted.
func (h *hosts) listed() (names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, name := range h.names {
		if !h.spare[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
