package cache

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	"github.com/docent-zk/docent/framework"
)

// Servers whose data was deleted, or restored from a backup, number their transactions as they did before. If they have got as far
// as a cache has seen, or farther, zxids alone do not tell that they now count other transactions. Times do: two histories that
// have the same state of a node, with its times, have everything before it in common.

// errHistory says that the servers' data was replaced.
var errHistory = errors.New("the servers' data was replaced")

// contradicts reports whether two states of a node, of which news was read later, cannot be of one history.
func contradicts(known, news framework.Stat) bool {
	switch {
	case news.Czxid != known.Czxid:
		return news.Czxid < known.Czxid
	case news.Mzxid != known.Mzxid:
		return news.Mzxid < known.Mzxid || news.Ctime != known.Ctime
	}
	return news.Ctime != known.Ctime || news.Mtime != known.Mtime || news.Version != known.Version ||
		news.EphemeralOwner != known.EphemeralOwner || news.DataLength != known.DataLength
}

// conflicts does so for nodes with their data.
func (s *spec) conflicts(known, news framework.Node) bool {
	same := known.Stat.Mzxid == news.Stat.Mzxid && known.Stat.Czxid == news.Stat.Czxid
	return contradicts(known.Stat, news.Stat) || same && !s.statsOnly && !bytes.Equal(known.Data, news.Data)
}

// reset ends the pass because the servers' data was replaced. The next pass reads everything.
func (p *pass) reset() {
	p.beginAnew()
	p.ending = true
}

// witnesses are some of the nodes that are known, in the order of their latest transactions, the newest first: the 1st, the 2nd, the
// 4th, the 8th, ... of all. So if the first of them that has not changed is the nth, about as many as n others have.
func (p *pass) witnesses() (some []framework.Node) {
	var all []framework.Node
	p.tree.walk(func(e *entry) bool {
		all = append(all, e.node)
		return true
	})
	slices.SortFunc(all, func(a, b framework.Node) int {
		return cmp.Or(cmp.Compare(b.Stat.Mzxid, a.Stat.Mzxid), cmp.Compare(a.Path, b.Path))
	})
	for i := 1; i <= len(all); i *= 2 {
		some = append(some, all[i-1])
	}
	return some
}

// common returns a transaction that both the servers and the cache have seen, with everything before it: that of the newest of the
// witnesses which is what it was, and at most the one up to which the cache is complete. It returns 0 if there is none, and
// errHistory if the servers have seen others.
func (p *pass) common(witnesses []framework.Node, complete int64) (int64, error) {
	for _, known := range witnesses {
		node, err := p.fetch(known.Path, nil)
		switch {
		case errors.Is(err, framework.ErrSessionLost), errors.Is(err, framework.ErrClosed), p.ctx.Err() != nil:
			return 0, err
		case err != nil:
			continue
		case p.spec.conflicts(known, node):
			return 0, errHistory
		case node.Stat.Mzxid == known.Stat.Mzxid:
			return min(known.Stat.Mzxid, complete), nil
		}
	}
	return 0, nil
}

// later looks at what the cache has of transactions behind one, which the servers may not have seen. They do not tell that it has
// changed.
func (p *pass) later(zxid int64) {
	p.tree.walk(func(e *entry) bool {
		if e.node.Stat.Mzxid > zxid {
			p.doubtful[e.node.Path] = struct{}{}
			p.mark(work{path: e.node.Path}, false, nil)
		}
		if max(e.listed, e.lost) > zxid && p.spec.lists(e.node) {
			p.mark(work{path: e.node.Path, list: true}, false, nil)
		}
		return true
	})
}
