package contend

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

// batch is several places of one session in one queue.
type batch []*Place

// enterAll adds n nodes to the queue and returns them with a list of the directory that has all of them. After an error none
// of them stays.
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
		b[n-1], names, errs[n-1] = q.enter(ctx, s)
	}
	if errs[n-1] != nil {
		b.withdraw()
		return nil, nil, errs[n-1]
	}
	return b, names, nil
}

// add is enter without the list.
func (q Queue) add(ctx context.Context, s *framework.Session) (*Place, error) {
	opts := append(q.options(), framework.EphemeralSequential, framework.Parents, framework.Protected)
	node, err := s.Create(ctx, framework.Join(q.Dir, q.Name), q.Data, opts...)
	if err != nil {
		return nil, err
	}
	p := &Place{queue: q, session: s, node: node}
	if err := p.own(); err != nil {
		p.withdraw()
		return nil, err
	}
	return p, nil
}

// withdraw leaves the queue without waiting for it.
func (b batch) withdraw() {
	for _, p := range b {
		if p != nil {
			p.withdraw()
		}
	}
}

// among reports whether the whole batch is among the first n of a directory. Nodes of other kinds are counted as well, ahead
// of all.
func (b batch) among(n int, names []string) (bool, error) {
	order, rest, err := b[0].queue.Dialect.Arrange(names)
	if err != nil {
		return false, err
	}
	last := 0
	for _, p := range b {
		_, own := framework.Split(p.node.Path)
		i := slices.IndexFunc(order, func(n seqnode.Name) bool { return n.Full == own })
		if i < 0 {
			return false, p.deleted()
		}
		last = max(last, i)
	}
	return len(rest)+last < n, nil
}

// claim binds all places to their session, or leaves them.
func (b batch) claim(ctx context.Context, holding framework.Policy) (*Bundle, error) {
	claims := make([]*Claim, len(b))
	for i, p := range b {
		claim, err := p.claim(ctx, holding)
		if err != nil {
			for _, c := range claims[:i] {
				c.abandon()
			}
			b[i:].withdraw()
			return nil, err
		}
		claims[i] = claim
	}
	return NewBundle(claims), nil
}
