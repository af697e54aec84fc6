package contend

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
)

// batch is several places of one session in one queue.
type batch []*Place

// enterAll adds n nodes to the queue and returns them with a list of the directory that contains all of them. Places
// that are returned with an error have to be left.
func (q Queue) enterAll(ctx context.Context, s *framework.Session, n int) (batch, []string, error) {
	b := make(batch, n)
	errs := make([]error, n)
	var others sync.WaitGroup
	for i := range n - 1 {
		others.Go(func() { b[i], errs[i] = q.add(ctx, s) })
	}
	others.Wait()
	var names []string
	if errs[n-1] = errors.Join(errs...); errs[n-1] == nil {
		b[n-1], names, errs[n-1] = q.enter(ctx, s, false)
	}
	return b, names, errs[n-1]
}

// add is enter without the list.
func (q Queue) add(ctx context.Context, s *framework.Session) (*Place, error) {
	node, err := q.createAlone(ctx, s)
	if err != nil {
		return nil, notCreated(err)
	}
	p := &Place{queue: q, session: s, node: node}
	if err := p.own(); err != nil {
		p.withdraw()
		return nil, err
	}
	return p, nil
}

// withdraw leaves without waiting, with all places of one session in one transaction. If the process ends right after
// it, the servers might not read a second request before the connection ends.
func (b batch) withdraw() {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	for rest := slices.DeleteFunc(slices.Clone(b), func(p *Place) bool { return p == nil }); len(rest) > 0; {
		s := rest[0].session
		var paths []string
		rest = slices.DeleteFunc(rest, func(p *Place) bool {
			if p.session == s {
				p.left = true
				paths = append(paths, p.paths()...)
			}
			return p.session == s
		})
		if len(paths) == 1 {
			_ = s.Delete(now, paths[0], framework.AnyVersion, framework.Guaranteed)
		} else {
			_ = recipekit.DeleteTwins(now, s, paths)
		}
	}
}

// among reports whether the whole batch is among the first n of a directory. Leases of kazoo, which have no numbers,
// count as ahead of all others. Other children are ignored.
func (b batch) among(n int, names []string) (bool, error) {
	order, rest := b[0].queue.Dialect.Arrange(names)
	ahead := 0
	for _, p := range b {
		own := seqnode.Parse(base(p.node.Path))
		if !slices.Contains(order, own) {
			return false, p.deleted()
		}
		ahead = max(ahead, len(seqnode.Before(order, own)))
	}
	return leasesOfKazoo(rest)+ahead < n, nil
}

// leasesOfKazoo counts the leases of kazoo's semaphores among foreign children.
func leasesOfKazoo(rest []seqnode.Name) (n int) {
	for _, name := range rest {
		if seqnode.IsKazooLease(name.Full) {
			n++
		}
	}
	return n
}

// claim binds all places to their session, or leaves them.
func (b batch) claim(ctx context.Context, holding framework.Policy) (*Bundle, error) {
	claims := make([]*Claim, len(b))
	for i, p := range b {
		claim, err := p.claim(ctx, holding)
		if err != nil {
			abandon(claims[:i]...)
			b[i:].withdraw()
			return nil, err
		}
		claims[i] = claim
	}
	return NewBundle(claims), nil
}
