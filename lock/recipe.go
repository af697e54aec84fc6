package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
)

// recipe is what all locks of this package have in common.
type recipe struct {
	settings
	cli  *framework.Client
	name string // for logs and errors: "lock"
	path string // for logs and errors; several paths of a Multi

	paths []string // validated by Lock
	fits  fit      // the options that apply
}

// fit is a set of options that only some kinds of locks take.
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

// queue returns the recipe's directory, for nodes of the given kind. kazoo is the kind of the second node with Shared.
func (r recipe) queue(kind, kazoo seqnode.Kind, dialect seqnode.Dialect) contend.Queue {
	q := contend.Queue{Dir: r.path, Name: kind.Marker(), Dialect: dialect, Data: r.data, ACL: r.acl, Recipe: r.name}
	q.Strict = dialect == seqnode.Mutex
	q.Progress = r.progressed()
	if r.shared && r.fits&fitsShared != 0 {
		q.Twins = []string{kazoo.Marker()}
	}
	return q
}

// progressed returns the queue's callback for Progress; nil without that option.
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

// wrap prefixes an error with the recipe's name and path, as framework.Client.Run does.
func (r recipe) wrap(err error) error { return fmt.Errorf("%s %s: %w", r.name, r.path, err) }

// contenders lists a queue. permits is the limit of a semaphore.
func (r recipe) contenders(ctx context.Context, q contend.Queue, permits int) ([]Contender, error) {
	if err := recipekit.Usable(r.cli); err != nil {
		return nil, r.wrap(err)
	}
	list, err := q.Contenders(ctx, r.cli)
	if err != nil {
		return nil, r.wrap(err)
	}
	return contenders(list, r.cli.State().SessionID, permits), nil
}

// invalid returns what is wrong with the paths and options, or nil.
func (r recipe) invalid() error {
	errs := append([]error{r.unfit(), r.holding.Validate()}, r.faults...)
	for _, path := range r.paths {
		errs = append(errs, framework.ValidatePath(path))
	}
	return errors.Join(errs...)
}

// unfit returns what is wrong with the options, or nil.
func (r recipe) unfit() error {
	switch {
	case r.waitLimit < 0:
		return fmt.Errorf("%w: WaitLimit(%v) is negative; 0 means no limit", ErrOption, r.waitLimit)
	case r.shared && r.fits&fitsShared == 0:
		return fmt.Errorf("%w: Shared applies to Mutex, RWMutex and Multi, not to a %s", ErrOption, r.name)
	case r.handover != nil && r.fits&fitsHandover == 0:
		return fmt.Errorf("%w: LocalHandover applies to Mutex only, not to a %s", ErrOption, r.name)
	case r.handover != nil && (*r.handover < 0 || *r.handover > contend.MaxTurns):
		return fmt.Errorf("%w: LocalHandover(%d) is not between 0 and %d", ErrOption, *r.handover, contend.MaxTurns)
	}
	return nil
}

// attempt tries to acquire something in one session.
type attempt[T any] func(ctx context.Context, s *framework.Session) (T, error)

// acquire is seek with a report to telemetry.
func acquire[T any](ctx context.Context, r recipe, try attempt[T]) (T, error) {
	return told(ctx, r, func(ctx context.Context) (T, error) { return seek(ctx, r, try) })
}

// seek makes attempts until one succeeds, in successive sessions if the waiting policy says so.
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

// waitFor is acquire within the recipe's WaitLimit.
func waitFor[T any](ctx context.Context, r recipe, try attempt[T]) (T, error) {
	ctx, cancel := r.limited(ctx)
	defer cancel()
	return acquire(ctx, r, try)
}

// limited applies WaitLimit to ctx.
func (r recipe) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.waitLimit <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, r.waitLimit, fmt.Errorf("%w of %v", ErrWaitLimit, r.waitLimit))
}
