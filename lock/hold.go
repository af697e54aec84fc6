package lock

import (
	"context"

	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/telemetry"
)

// endings are the names that telemetry gives to the errors of locks.
var endings = append(telemetry.Names{{Err: ErrWaitLimit, Name: "wait_limit"}, {Err: ErrOption, Name: "option"}}, contend.Endings...)

// subject returns the lock as telemetry names it.
func (r recipe) subject() telemetry.Subject {
	return telemetry.Subject{Kind: telemetry.Lock, Recipe: r.name, Path: r.path, Names: endings}
}

// told calls call, which acquires, and reports it to telemetry.
func told[T any](ctx context.Context, r recipe, call func(ctx context.Context) (T, error)) (T, error) {
	ctx, wait := recipekit.Telemetry(r.cli).Wait(ctx, r.subject())
	got, err := call(ctx)
	wait.End(err)
	return got, err
}

// hold reports to telemetry that the lock is held, until ctx ends. Work under the returned context belongs to the same
// span.
func (r recipe) hold(ctx context.Context, token int64) (context.Context, *telemetry.Hold) {
	hold := recipekit.Telemetry(r.cli).Hold(ctx, r.subject(), token)
	hold.Until(ctx)
	return hold.Context(ctx), hold
}
