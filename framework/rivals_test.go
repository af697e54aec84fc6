package framework_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// Two calls of one client create the same ephemeral node, and the answer is lost: that the node is the client's own does
// not say whose call has made it, so not both may be told that it was theirs.
func TestOneNodeIsNotCreatedTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := startServer(t, zktest.Config{})
		cli := connected(t, s)
		loseReply(t, s, zktest.OpCreate2, 0)
		errs := make([]error, 2)
		var calls sync.WaitGroup
		for i := range errs {
			calls.Go(func() { _, errs[i] = cli.Create(context.Background(), "/mine", nil, framework.Ephemeral) })
		}
		calls.Wait()
		for _, err := range errs {
			assert.ErrorIs(t, err, framework.ErrOutcomeUnknown)
		}
		_, err := cli.Create(t.Context(), "/mine", nil, framework.Ephemeral)
		assert.ErrorIs(t, err, framework.ErrNodeExists)
	})
}
