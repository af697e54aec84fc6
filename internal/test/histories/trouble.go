package histories

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Trouble is a schedule of faults.
type Trouble []fault

// fault is something that goes wrong at some time.
type fault struct {
	at   time.Duration // since the trouble began
	name string
	do   func(s *storm)
}

// storm is a Trouble under way.
type storm struct {
	ctx     context.Context
	ground  Ground
	killing func(client int) *Call // notes that a session is about to be ended
	healing sync.WaitGroup
	stops   []func()
}

// DrawTrouble draws faults for that many clients with sessions of that timeout, which all begin within length.
func DrawTrouble(seed uint64, clients int, timeout, length time.Duration) Trouble {
	r := rand.New(rand.NewPCG(seed, 2))
	list := make(Trouble, 2+r.IntN(10))
	for i := range list {
		list[i] = drawFault(r, r.IntN(clients), timeout)
		list[i].at = time.Duration(r.Int64N(int64(length)))
	}
	slices.SortFunc(list, func(a, b fault) int { return int(a.at - b.at) })
	return list
}

func drawFault(r *rand.Rand, client int, timeout time.Duration) fault {
	switch r.IntN(8) {
	case 0:
		return fault{name: fmt.Sprint("cut ", client), do: func(s *storm) { s.ground.Cut(client) }}
	case 1:
		return fault{name: fmt.Sprint("expire ", client), do: func(s *storm) { s.expire(client) }}
	case 2, 3, 4:
		return silence(r, client, timeout)
	}
	seed := r.Uint64()
	return fault{name: fmt.Sprint("disturb ", seed), do: func(s *storm) {
		s.stops = append(s.stops, s.ground.Disturb(rand.New(rand.NewPCG(seed, 3))))
	}}
}

// silence lasts about as long as sessions do, or much less.
func silence(r *rand.Rand, client int, timeout time.Duration) fault {
	way, d := Way(r.IntN(int(ways))), time.Duration(r.Int64N(int64(2*timeout)))
	if r.IntN(3) == 0 {
		d /= 20
	}
	return fault{name: fmt.Sprintf("silence %d, way %d, for %v", client, way, d), do: func(s *storm) {
		heal := s.ground.Silence(client, way)
		s.healing.Go(func() {
			Wait(s.ctx, d)
			heal()
		})
	}}
}

func (s *storm) expire(client int) {
	note := s.killing(client)
	if s.ground.Expire(s.ctx, client) == nil {
		note.End(nil)
	}
}

// String lists the faults.
func (t Trouble) String() string {
	var b strings.Builder
	for _, f := range t {
		fmt.Fprintf(&b, "\n  %12v %s", f.at, f.name)
	}
	return b.String()
}

// run lets the faults happen and returns when all are healed.
func (t Trouble) run(ctx context.Context, ground Ground, killing func(client int) *Call) {
	s := &storm{ctx: ctx, ground: ground, killing: killing}
	begin := time.Now()
	for _, f := range t {
		Wait(ctx, time.Until(begin.Add(f.at)))
		f.do(s)
	}
	s.healing.Wait()
	for _, stop := range s.stops {
		stop()
	}
}

// Wait returns after d, or when ctx ends.
func Wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
