package contend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/framework"
)

// guarded applies operations only if all claims, which belong to one session, are still held.
func guarded(ctx context.Context, claims []*Claim, operations []framework.Op, opts []framework.WriteOption) ([]framework.OpResult, error) {
	all := make([]framework.Op, 0, len(claims)+len(operations))
	for _, c := range claims {
		if cause := c.standing(); cause != nil {
			return nil, c.notHeld(cause)
		}
		all = append(all, c.checks()...)
	}
	checks := len(all)
	all = append(all, operations...)
	results, err := claims[0].place.session.Multi(ctx, all, opts...)
	if err != nil {
		return nil, refusal(err, checks, slices.Contains(opts, framework.WriteOption(framework.Idempotent)))
	}
	return results[checks:], nil
}

// refusal interprets the error of a multi that starts with that many checks. An unknown outcome is never a refusal,
// whatever else the error matches. A repeated multi may have been applied by an attempt whose reply was lost: then
// neither the end of the session nor that of the node proves that nothing was applied.
func refusal(err error, checks int, repeated bool) error {
	var refused *framework.MultiError
	switch {
	case errors.Is(err, framework.ErrOutcomeUnknown):
		return err
	case errors.As(err, &refused) && refused.Index >= checks:
		refused.Index -= checks // the caller does not count the checks
	case errors.As(err, &refused) && !errors.Is(refused, framework.ErrNoNode):
		return fmt.Errorf("the claim's node could not be checked: %w", err)
	case refused != nil && repeated && tries(err) > 1:
		return fmt.Errorf("%w, and when it was repeated the claim was no longer held: %w", framework.ErrOutcomeUnknown, err)
	case refused != nil, errors.Is(err, framework.ErrSessionLost) && !repeated:
		return fmt.Errorf("%w: %w", ErrNotHeld, err)
	}
	return err
}

// tries returns how often an operation was sent.
func tries(err error) int {
	var op *framework.OpError
	if errors.As(err, &op) {
		return op.Attempts
	}
	return 0
}
