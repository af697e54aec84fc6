package cache

import (
	"strings"

	"github.com/docent-zk/docent/framework"
)

// entry is a node of the mirror with the nodes below it. Once shown, it is not changed.
type entry struct {
	node framework.Node
	kids index[*entry]
	// listed is the node's Pzxid when its children were last known to be complete; unlisted if they never were.
	listed int64
	// lost is a transaction after the latest deletion of a child that was found to be missing.
	lost int64
	by   edition // the edition that created it
}

// edition is a series of edits whose result has not been shown yet. It changes what it has created in place. The zero
// edition changes nothing in place.
type edition uint64

// own reports whether the edition may change what was created by another one.
func (e edition) own(by edition) bool { return e != 0 && e == by }

// unlisted is less than any Pzxid: that of "/" on new servers is 0.
const unlisted = -1

// count returns the number of nodes: this one and those below it.
func (e *entry) count() int {
	if e == nil {
		return 0
	}
	return 1 + e.kids.count()
}

// cut splits off the first name of a relative path.
func cut(rest string) (name, behind string) {
	name, behind, _ = strings.Cut(rest, "/")
	return name, behind
}

// find returns the entry at a path relative to e, or nil.
func (e *entry) find(rest string) *entry {
	for e != nil && rest != "" {
		var name string
		name, rest = cut(rest)
		e = e.kids.get(name)
	}
	return e
}

// edit returns e after f has replaced the entry at a relative path. f receives nil if there is none, and returns nil to
// remove it. If the entry's parent does not exist, nothing changes.
func (e *entry) edit(rest string, by edition, f func(*entry) *entry) *entry {
	now, _ := e.edited(rest, by, f)
	return now
}

// edited is edit, and reports whether anything has changed: e itself may have.
func (e *entry) edited(rest string, by edition, f func(*entry) *entry) (now *entry, changed bool) {
	if rest == "" {
		now = f(e)
		return now, now != e
	}
	if e == nil {
		return nil, false
	}
	name, behind := cut(rest)
	kid, changed := e.kids.get(name).edited(behind, by, f)
	switch {
	case !changed:
		return e, false
	case kid == nil:
		return e.holding(e.kids.without(name), by), true
	}
	return e.holding(e.kids.put(name, kid, by), by), true
}

// holding returns e with other children.
func (e *entry) holding(kids index[*entry], by edition) *entry {
	if by.own(e.by) {
		e.kids = kids
		return e
	}
	return &entry{node: e.node, kids: kids, listed: e.listed, lost: e.lost, by: by}
}

// walk calls f for the entry and all entries below it, parents first and by name, until f returns false. It reports
// whether f never did.
func (e *entry) walk(f func(*entry) bool) bool {
	return e == nil || f(e) && e.kids.each(func(_ string, kid *entry) bool { return kid.walk(f) })
}
