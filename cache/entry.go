package cache

import (
	"strings"

	"github.com/docent-zk/docent/framework"
)

// entry is one node of the mirror with what is below it. It is not changed once it was shown.
type entry struct {
	node framework.Node
	kids index[*entry]
	// listed is the Pzxid of the node when its children were listed last, or known otherwise; unlisted if they never were.
	listed int64
	// lost is a transaction behind the deletion of the latest child that was found to be missing.
	lost int64
	by   edition // that made it
}

// edition is a run of edits whose result nobody has seen yet. What it has made itself, it changes in place. The zero edition changes
// nothing in place.
type edition uint64

// own reports whether the edition may change what was made by another one.
func (e edition) own(by edition) bool { return e != 0 && e == by }

// unlisted is less than any Pzxid: that of "/" on new servers is 0.
const unlisted = -1

// count is 1 for the node and what is below it.
func (e *entry) count() int {
	if e == nil {
		return 0
	}
	return 1 + e.kids.count()
}

// cut takes the first name off a relative path.
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

// edit returns e with what f makes of the entry at a relative path, nil for one that is not there; f returns nil to
// have none there. Without the parent of that entry nothing happens.
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

// walk calls f for the entry and everything below it, parents first and by name, until it returns false, which it returns
// then.
func (e *entry) walk(f func(*entry) bool) bool {
	return e == nil || f(e) && e.kids.each(func(_ string, kid *entry) bool { return kid.walk(f) })
}
