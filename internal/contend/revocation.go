package contend

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/docent-zk/docent/framework"
)

// revocation is the data that is written to a node to ask its owner for it, as Curator's Revoker does.
const revocation = "__REVOKE__"

// revocable is something that other clients can ask for.
type revocable struct {
	mu    sync.Mutex
	asked bool
	ctx   context.Context // ends when another client asks; nil until it is needed
	end   context.CancelFunc
}

// revoke records that another client asks.
func (r *revocable) revoke() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = true
	if r.end != nil {
		r.end()
	}
}

// revoked reports whether another client has asked.
func (r *revocable) revoked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// context returns the context that ends when another client asks. It has the values of ctx.
func (r *revocable) context(ctx context.Context) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil {
		r.ctx, r.end = context.WithCancel(context.WithoutCancel(ctx))
		if r.asked {
			r.end()
		}
	}
	return r.ctx
}

// Revoke asks the owner of a node in the queue to release it. It is not an error if the node is gone.
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
