package lock

import (
	"context"

	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/telemetry"
)

// endings are what telemetry calls the errors of locks.
var endings = append(telemetry.Names{{Err: ErrWaitLimit, Name: "wait_limit"}, {Err: ErrOption, Name: "option"}}, contend.Endings...)

// subject is the lock as telemetry knows it.
func (r recipe) subject() telemetry.Subject {
	return telemetry.Subject{Kind: telemetry.Lock, Recipe: r.name, Path: r.path, Names: endings}
}

// told has telemetry tell of a call that acquires.
func told[T any](ctx context.Context, r recipe, call func(ctx context.Context) (T, error)) (T, error) {
	ctx, wait := recipekit.Telemetry(r.cli).Wait(ctx, r.subject())
	got, err := call(ctx)
	wait.End(err)
	return got, err
}

// hold has telemetry tell of what was granted, until its context ends. What is done under the result is part of that.
func (r recipe) hold(ctx context.Context, token int64) (context.Context, *telemetry.Hold) {
	hold := recipekit.Telemetry(r.cli).Hold(ctx, r.subject(), token)
	hold.Until(ctx)
	return hold.Context(ctx), hold
}
