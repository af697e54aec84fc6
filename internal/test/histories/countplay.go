package histories

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
)

// CountPlay is a counter.
type CountPlay struct {
	Play
	Anew           bool // its node does not exist at the beginning
	WithoutReceipt bool // unknown outcomes are more frequent then
}

const countPath = "/histories/count"

// Run plays it. The error says what must not be and is not in the history.
func (p *CountPlay) Run() error {
	if p.Anew {
		p.History.Begin(stormRow, CountInput{Kind: Appear})
	} else if err := setUp(p.Ground, countPath, make([]byte, 4)); err != nil {
		return err
	}
	tallies := make(map[int]tally)
	for i, cli := range p.Ground.Clients() {
		tallies[i] = p.tally(cli) // whose goroutines share the turns
	}
	return p.perform(func(a *actor) { (&countActor{actor: a, tally: tallies[a.client]}).round() },
		func(a *actor) { (&countActor{actor: a, tally: tallies[a.client]}).last() },
		func(int) *Call { return new(Recorder).Begin(0, nil) }) // a counter has nothing to do with sessions
}

// tally is a counter as an actor uses it.
type tally interface {
	Add(ctx context.Context, delta int64) (int64, error)
	Set(ctx context.Context, n int64) error
	CompareAndSet(ctx context.Context, version int32, n int64) (int32, error)
	Get(ctx context.Context) (counter.Versioned[int64], error)
}

func (p *CountPlay) tally(cli *framework.Client) tally {
	var opts []counter.IntOption
	if p.WithoutReceipt || p.Mutant != Sound {
		opts = append(opts, counter.WithoutReceipt)
	}
	i := counter.NewInt(cli, countPath, opts...)
	switch p.Mutant {
	case Repeating:
		return repeating{i}
	case Believing:
		return believing{i}
	}
	return i
}

// repeating is what many clients do (CURATOR-584): it tries again when it has got no answer.
type repeating struct{ *counter.Int }

// Add adds at least once.
func (c repeating) Add(ctx context.Context, delta int64) (int64, error) {
	for {
		sum, err := c.Int.Add(ctx, delta)
		if !errors.Is(err, framework.ErrOutcomeUnknown) || ctx.Err() != nil {
			return sum, err
		}
	}
}

// believing takes what it does not know for what was not applied.
type believing struct{ *counter.Int }

// Add adds at most once, and says too often that it has not.
func (c believing) Add(ctx context.Context, delta int64) (int64, error) {
	sum, err := c.Int.Add(ctx, delta)
	if errors.Is(err, framework.ErrOutcomeUnknown) {
		err = context.DeadlineExceeded
	}
	return sum, err
}

type countActor struct {
	*actor
	tally   tally
	version int32 // that was read last
}

// round does several things in a row, so that others meet them.
func (a *countActor) round() {
	for range 1 + a.r.IntN(3) {
		a.one()
	}
}

func (a *countActor) one() {
	ctx, cancel := a.impatient()
	defer cancel()
	value := a.r.Int64N(1000)
	switch a.r.IntN(8) {
	case 0, 1:
		a.get(ctx)
	case 2:
		a.do(CountInput{Kind: Put, Value: value}, func() (CountOutput, error) {
			return CountOutput{Value: value}, a.tally.Set(ctx, value)
		})
	case 3, 4:
		a.compareAndSet(ctx, value)
	default:
		a.add(ctx, 1+a.r.Int64N(3))
	}
}

// do notes an operation. It reports whether it returned.
func (a *countActor) do(in CountInput, f func() (CountOutput, error)) bool {
	call := a.History.Begin(a.number, in)
	out, err := f()
	switch {
	case err == nil:
		call.End(out)
		return true
	case errors.Is(err, framework.ErrOutcomeUnknown):
		return false
	case errors.Is(err, framework.ErrBadVersion):
		call.End(CountOutput{Refused: true})
		return true
	}
	call.Drop()
	return false
}

func (a *countActor) add(ctx context.Context, delta int64) bool {
	return a.do(CountInput{Kind: Add, Value: delta}, func() (CountOutput, error) {
		sum, err := a.tally.Add(ctx, delta)
		return CountOutput{Value: sum}, err
	})
}

// compareAndSet reads the version first. Others have time to come in between.
func (a *countActor) compareAndSet(ctx context.Context, value int64) {
	if !a.get(ctx) {
		return
	}
	Wait(ctx, a.upTo(5*time.Millisecond))
	a.do(CountInput{Kind: CompareAndSet, Value: value, Version: a.version}, func() (CountOutput, error) {
		version, err := a.tally.CompareAndSet(ctx, a.version, value)
		return CountOutput{Value: value, Version: version}, err
	})
}

func (a *countActor) get(ctx context.Context) bool {
	return a.do(CountInput{Kind: Get}, func() (CountOutput, error) {
		got, err := a.tally.Get(ctx)
		if err == nil {
			a.version = got.Version
		}
		return CountOutput{Value: got.Value, Version: got.Version}, err
	})
}

// last adds and reads, and both must succeed.
func (a *countActor) last() {
	if !a.add(a.ctx, 1) || !a.get(a.ctx) {
		a.fail("%v could not count %w", a, errCalm)
	}
}
