package contend

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/framework"
)

// revocation is what a node's data is replaced with to ask its owner for it, as Curator's Revoker does.
const revocation = "__REVOKE__"

// Revoke asks the owner of a node in the queue to release it. One that has gone needs no asking.
func (q Queue) Revoke(ctx context.Context, cli *framework.Client, node string) error {
	node = framework.Abs(node)
	if dir, _ := framework.Split(node); dir != q.Dir {
		return fmt.Errorf("%s is not in the queue of %s", node, q.Dir)
	}
	_, err := cli.Set(ctx, node, []byte(revocation), framework.AnyVersion, framework.Idempotent)
	if errors.Is(err, framework.ErrNoNode) {
		return nil
	}
	return err
}
