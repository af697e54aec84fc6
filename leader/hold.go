package leader

import (
	"context"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/contend"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/telemetry"
)

// subject returns the election as telemetry names it.
func (e *Election) subject() telemetry.Subject {
	return telemetry.Subject{Kind: telemetry.Leader, Recipe: "leader", Path: e.path, Names: contend.Endings}
}

// acquire waits in the queue and reports the wait to telemetry.
func (e *Election) acquire(ctx context.Context, s *framework.Session, q contend.Queue) (*contend.Claim, error) {
	q.Joined = s.RetryErrors
	ctx, wait := recipekit.Telemetry(e.cli).Wait(ctx, e.subject())
	claim, err := q.Acquire(ctx, s, e.holding)
	wait.End(err)
	return claim, err
}

// hold reports a term to telemetry, until it ends. Work under the returned context belongs to the same span.
func (e *Election) hold(claim *contend.Claim) (context.Context, *telemetry.Hold) {
	hold := recipekit.Telemetry(e.cli).Hold(claim.Context(), e.subject(), claim.Token())
	return hold.Context(claim.Context()), hold
}
