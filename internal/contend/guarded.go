package contend

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docent-zk/docent/framework"
)

// guarded applies operations if, and only if, all claims, which are of one session, still stand.
func guarded(ctx context.Context, claims []*Claim, operations []framework.Op, opts []framework.WriteOption) ([]framework.OpResult, error) {
	all := make([]framework.Op, 0, len(claims)+len(operations))
	for _, c := range claims {
		if cause := c.standing(); cause != nil {
			return nil, c.notHeld(cause)
		}
		all = append(all, c.Check())
	}
	all = append(all, operations...)
	results, err := claims[0].place.session.Multi(ctx, all, opts...)
	if err != nil {
		return nil, refusal(err, len(claims), slices.Contains(opts, framework.WriteOption(framework.Idempotent)))
	}
	return results[len(claims):], nil
}

// refusal reads the error of a multi with that many checks in front. One that is repeated may have been applied by a try
// whose answer was lost before the session was: then the end of the session does not say that nothing happened.
func refusal(err error, checks int, repeated bool) error {
	var refused *framework.MultiError
	switch {
	case errors.As(err, &refused) && refused.Index >= checks:
		refused.Index -= checks // as the caller counts
	case errors.As(err, &refused) && !errors.Is(refused, framework.ErrNoNode):
		return fmt.Errorf("the claim's node could not be checked: %w", err)
	case refused != nil, errors.Is(err, framework.ErrSessionLost) && !repeated:
		return fmt.Errorf("%w: %w", ErrNotHeld, err)
	}
	return err
}
