package cache

import (
	"strings"

	"github.com/docent-zk/docent/framework"
)

// entry is one node of the mirror with what is below it. It is never changed.
type entry struct {
	node framework.Node
	kids index[*entry]
	// listed is the Pzxid of the node when its children were listed last, or known otherwise; unlisted if they never were.
	listed int64
	// lost is a transaction behind the deletion of the latest child that was found to be missing.
	lost int64
}

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
func (e *entry) edit(rest string, f func(*entry) *entry) *entry {
	if rest == "" {
		return f(e)
	}
	if e == nil {
		return nil
	}
	name, behind := cut(rest)
	old := e.kids.get(name)
	now := old.edit(behind, f)
	if now == old {
		return e
	}
	if now == nil {
		return &entry{node: e.node, kids: e.kids.without(name), listed: e.listed, lost: e.lost}
	}
	return &entry{node: e.node, kids: e.kids.with(name, now), listed: e.listed, lost: e.lost}
}

// walk calls f for the entry and everything below it, parents first and by name, until it returns false, which it returns
// then.
func (e *entry) walk(f func(*entry) bool) bool {
	return e == nil || f(e) && e.kids.each(func(_ string, kid *entry) bool { return kid.walk(f) })
}
