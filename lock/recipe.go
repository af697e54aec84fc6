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
}

func newRecipe(cli *framework.Client, name, path string, opts []Option) recipe {
	r := recipe{settings: defaults(), cli: cli, name: name, path: path, paths: []string{path}}
	for _, opt := range opts {
		opt(&r.settings)
	}
	return r
}

// queue is the directory of the recipe, for nodes of one kind.
func (r recipe) queue(node string, dialect seqnode.Dialect) contend.Queue {
	return contend.Queue{Dir: r.path, Name: node, Dialect: dialect, Data: r.data, ACL: r.acl}
}

// wrap puts the recipe's name and path in front of an error, as framework.Client.Run does.
func (r recipe) wrap(err error) error { return fmt.Errorf("%s %s: %w", r.name, r.path, err) }

func (r recipe) contenders(ctx context.Context, q contend.Queue) ([]Contender, error) {
	list, err := q.Contenders(ctx, r.cli)
	if err != nil {
		return nil, r.wrap(err)
	}
	return list, nil
}

// invalid says what is wrong with the paths.
func (r recipe) invalid() error {
	var errs []error
	for _, path := range r.paths {
		errs = append(errs, framework.ValidatePath(path))
	}
	return errors.Join(errs...)
}

// attempt gets something in one session.
type attempt[T any] func(ctx context.Context, s *framework.Session) (T, error)

// acquire makes attempts, in one session after the other as the waiting policy says, until one succeeds.
func acquire[T any](ctx context.Context, r recipe, try attempt[T]) (got T, err error) {
	if err := errors.Join(r.invalid(), r.holding.Validate()); err != nil {
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
	if r.waitLimit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, r.waitLimit, fmt.Errorf("%w of %v", ErrWaitLimit, r.waitLimit))
		defer cancel()
	}
	return acquire(ctx, r, try)
}
