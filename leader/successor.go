package leader

import (
	"context"
	"fmt"

	"github.com/docent-zk/docent/internal/contend"
)

// transferable returns an error if leadership cannot be handed over to the participant with that id.
func (e *Election) transferable(ctx context.Context, claim *contend.Claim, id string) error {
	list, err := e.queue().Contenders(ctx, e.cli)
	if err == nil {
		_, err = successor(id)(claim.Token(), list)
	}
	if err != nil {
		return e.wrap(fmt.Errorf("transfer: %w", err))
	}
	return nil
}

// successor returns a function that finds the node of the one participant with that id, for a transfer by the leader
// with that token.
func successor(id string) contend.Choice {
	return func(own int64, list []contend.Contender) (path string, err error) {
		var found []Participant
		for _, p := range participants(list, 0) {
			if p.ID == id {
				found = append(found, p)
			}
		}
		switch {
		case len(found) == 0:
			return "", fmt.Errorf("%w: %q", ErrNoParticipant, id)
		case len(found) > 1:
			return "", fmt.Errorf("%w: %q, %s and %s", ErrAmbiguousID, id, found[0].Path, found[1].Path)
		case found[0].Token == own:
			return "", fmt.Errorf("%w: %q", ErrOwnID, id)
		}
		return found[0].Path, nil
	}
}
