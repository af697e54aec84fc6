package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/seqnode"
)

// recipe is what all locks of this package have in common.
type recipe struct {
	settings
	cli  *framework.Client
	name string // for logs and errors: "lock"
	path string // for logs and errors; several paths of a Multi

	paths []string // that must be valid
	fits  fit      // which options it takes
}

// fit is a set of options that not every kind of lock takes.
type fit uint8

const (
	fitsShared fit = 1 << iota
	fitsHandover
)

func newRecipe(cli *framework.Client, name, path string, fits fit, opts []Option) recipe {
	r := recipe{settings: defaults(), cli: cli, name: name, path: path, paths: []string{path}, fits: fits}
	for _, opt := range opts {
		opt(&r.settings)
	}
	return r
}

// queue is the directory of the recipe, for nodes of one kind and, if they are shared with kazoo, of its kind.
func (r recipe) queue(kind, kazoo seqnode.Kind, dialect seqnode.Dialect) contend.Queue {
	q := contend.Queue{Dir: r.path, Name: kind.Marker(), Dialect: dialect, Data: r.data, ACL: r.acl, Recipe: r.name}
	q.Strict = dialect == seqnode.Mutex
	q.Progress = r.progressed()
	if r.shared && r.fits&fitsShared != 0 {
		q.Twins = []string{kazoo.Marker()}
	}
	return q
}

// progressed is what a queue tells of waiting, nil if nobody wants to know.
func (r recipe) progressed() func(ahead int) {
	f := r.progress
	if f == nil {
		return nil
	}
	return func(ahead int) {
		_ = r.cli.Guard("progress", r.path, func() error {
			f(ahead)
			return nil
		})
	}
}

// wrap puts the recipe's name and path in front of an error, as framework.Client.Run does.
func (r recipe) wrap(err error) error { return fmt.Errorf("%s %s: %w", r.name, r.path, err) }

func (r recipe) contenders(ctx context.Context, q contend.Queue) ([]Contender, error) {
	list, err := q.Contenders(ctx, r.cli)
	if err != nil {
		return nil, r.wrap(err)
	}
	return contenders(list, r.cli.State().SessionID), nil
}

// invalid says what is wrong with paths and options.
func (r recipe) invalid() error {
	errs := []error{r.unfit(), r.holding.Validate()}
	for _, path := range r.paths {
		errs = append(errs, framework.ValidatePath(path))
	}
	return errors.Join(errs...)
}

// unfit says what is wrong with options.
func (r recipe) unfit() error {
	switch {
	case r.waitLimit < 0:
		return fmt.Errorf("%w: WaitLimit(%v) is negative; 0 is no limit", ErrOption, r.waitLimit)
	case r.shared && r.fits&fitsShared == 0:
		return fmt.Errorf("%w: Shared fits Mutex, RWMutex and Multi, not a %s", ErrOption, r.name)
	case r.handover != nil && r.fits&fitsHandover == 0:
		return fmt.Errorf("%w: LocalHandover fits Mutex only, not a %s", ErrOption, r.name)
	case r.handover != nil && (*r.handover < 0 || *r.handover > contend.MaxTurns):
		return fmt.Errorf("%w: LocalHandover(%d) is not between 0 and %d", ErrOption, *r.handover, contend.MaxTurns)
	}
	return nil
}

// attempt gets something in one session.
type attempt[T any] func(ctx context.Context, s *framework.Session) (T, error)

// acquire is seek, and has telemetry tell of it.
func acquire[T any](ctx context.Context, r recipe, try attempt[T]) (T, error) {
	return told(ctx, r, func(ctx context.Context) (T, error) { return seek(ctx, r, try) })
}

// seek makes attempts, in one session after the other as the waiting policy says, until one succeeds.
func seek[T any](ctx context.Context, r recipe, try attempt[T]) (got T, err error) {
	if err := r.invalid(); err != nil {
		return got, r.wrap(err)
	}
	err = r.cli.Run(ctx, framework.Recipe{
		Name: r.name, Path: r.path, Policy: r.waiting,
		Run: func(work context.Context, s *framework.Session) (err error) {
			got, err = try(work, s)
			return err
		},
	})
	return got, err
}

// waitFor is acquire with the recipe's limit on waiting.
func waitFor[T any](ctx context.Context, r recipe, try attempt[T]) (T, error) {
	ctx, cancel := r.limited(ctx)
	defer cancel()
	return acquire(ctx, r, try)
}

// limited applies the limit on waiting.
func (r recipe) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.waitLimit <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, r.waitLimit, fmt.Errorf("%w of %v", ErrWaitLimit, r.waitLimit))
}
