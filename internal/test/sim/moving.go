package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
)

// plannedMove and changedList are the kinds of fault that make a client change its connection without losing it.
const (
	plannedMove = "planned move"
	changedList = "changed list"
)

// moveFault has a client call Reconnect again and again.
func moveFault(p *Play, r *rand.Rand) Fault {
	i, d, gap := r.IntN(p.Clients), p.while(r), time.Duration(r.Int64N(int64(p.Timeout/4)))
	return Fault{Name: fmt.Sprintf("move %s every %v for %v", clientName(i), gap, d), do: func(p *Play) {
		ctx, cancel := context.WithTimeout(p.ctx, d)
		p.healing.Go(func() {
			defer cancel()
			for ctx.Err() == nil {
				_ = p.aside[i].cli.Reconnect(ctx)
				sleepUntil(ctx, gap)
			}
		})
	}}
}

// sleepUntil sleeps for d, or until ctx ends.
func sleepUntil(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// listFault takes servers from the list of a client with the option Servers, and puts them back later.
func listFault(p *Play, r *rand.Rand) Fault {
	i, d := r.IntN(p.Clients), p.while(r)
	left := r.Perm(p.Endpoints)[:1+r.IntN(p.Endpoints)]
	p.listed = append(p.listed, i)
	return Fault{Name: fmt.Sprintf("list only %v for %s for %v", left, clientName(i), d), do: func(p *Play) {
		p.healAfter(d, p.lists[i].narrow(left))
	}}
}

// serverList is what Config.Servers of a client returns.
type serverList struct {
	all []string

	mu   sync.Mutex
	left []int // indices into all; nil for all
}

// narrow takes all servers but some from the list, until the function that it returns is called.
func (l *serverList) narrow(left []int) (heal func()) {
	set := func(left []int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.left = left
	}
	set(left)
	return func() { set(nil) }
}

// Servers implements framework.Servers.
func (l *serverList) Servers(context.Context) ([]string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == nil {
		return slices.Clone(l.all), nil
	}
	var list []string
	for _, i := range l.left {
		list = append(list, l.all[i])
	}
	return list, nil
}

// movesOnly reports whether the only faults of a play are planned moves, which no client must notice.
func (p *Play) movesOnly() bool {
	return !slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind != plannedMove && f.Kind != changedList })
}

// aloneSometimes draws whether a play that is about planned moves has no other faults.
func (p *Play) aloneSometimes(r *rand.Rand) {
	if (p.target.kind == plannedMove || p.target.kind == changedList) && oneIn(r, 3) {
		p.Faults = slices.DeleteFunc(p.Faults, func(f Fault) bool { return f.Kind != plannedMove && f.Kind != changedList })
	}
}

// unmoved returns an error if a client of a play whose only faults are planned moves has been without a connection.
func (b *bystander) unmoved() error {
	for _, s := range b.seen[0] {
		if s.State == framework.Suspended || s.State == framework.Lost {
			return fmt.Errorf("%s: a planned move has cost the connection: %v", b.name, b.seen[0])
		}
	}
	return nil
}
