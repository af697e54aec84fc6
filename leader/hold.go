package leader

import (
	"context"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/telemetry"
)

// subject is the election as telemetry knows it.
func (e *Election) subject() telemetry.Subject {
	return telemetry.Subject{Kind: telemetry.Leader, Recipe: "leader", Path: e.path, Names: contend.Endings}
}

// acquire waits in the queue, and has telemetry tell of it.
func (e *Election) acquire(ctx context.Context, s *framework.Session, q contend.Queue) (*contend.Claim, error) {
	q.Joined = s.RetryErrors
	ctx, wait := recipekit.Telemetry(e.cli).Wait(ctx, e.subject())
	claim, err := q.Acquire(ctx, s, e.holding)
	wait.End(err)
	return claim, err
}

// hold has telemetry tell of a term from now on. What is done under the result is part of that.
func (e *Election) hold(claim *contend.Claim) (context.Context, *telemetry.Hold) {
	hold := recipekit.Telemetry(e.cli).Hold(claim.Context(), e.subject(), claim.Token())
	return hold.Context(claim.Context()), hold
}
