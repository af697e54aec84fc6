package cache

import (
	"bytes"
	"cmp"
	"errors"
	"slices"

	"github.com/docent-zk/docent/framework"
)

// If the servers' data was deleted or restored from a backup, their transaction ids repeat. Once they have reached what
// a cache has seen, zxids alone do not show that the transactions are others. Times do: if two histories have the same
// state of a node, with its times, they have everything before it in common.

// errHistory means that the servers' data was replaced.
var errHistory = errors.New("the servers' data was replaced")

// contradicts reports whether two states of a node, news being read later, cannot belong to one history.
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

// conflicts does the same for nodes with their data.
func (s *spec) conflicts(known, news framework.Node) bool {
	same := known.Stat.Mzxid == news.Stat.Mzxid && known.Stat.Czxid == news.Stat.Czxid
	return contradicts(known.Stat, news.Stat) || same && !s.statsOnly && !bytes.Equal(known.Data, news.Data)
}

// reset ends the pass because the servers' data was replaced. The next pass reads everything.
func (p *pass) reset() {
	p.beginAnew()
	p.ending = true
}

// witnesses returns some of the known nodes, in the order of their latest transactions, the newest first: the 1st, 2nd,
// 4th, 8th, ... of all. So if the nth is the first that has not changed, about n others have.
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

// common returns a transaction up to which the servers and the cache have seen the same: that of the newest witness
// that has not changed, but at most the one up to which the cache is complete. It returns 0 if there is none, and
// errHistory if the servers have seen other transactions.
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

// later checks the cache's nodes with transactions after zxid, which the servers may not have seen. The servers would
// not report these as changed.
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
