package counter

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/internal/seqnode"
)

// receipts makes the writes of one Value exact: see the package documentation. It is used by the call that has the
// Value's turn.
type receipts struct {
	cli   *framework.Client
	value string // path

	path    string // of the receipt that exists or may exist; empty if there is none
	made    bool   // the receipt exists
	version int32  // of the receipt, as far as known; a change that requires an older one is refused
	keeper  int64  // session of the node that keeps the servers from removing the receipt, which exists or may exist; 0 for none
	kept    bool   // that node exists
	writes  uint64 // number of attempted writes
}

// apply makes a change exactly once, or returns that it was not made.
func (r *receipts) apply(ctx context.Context, c change) (int32, error) {
	if err := r.ready(ctx); err != nil {
		return 0, err
	}
	r.writes++
	number := strconv.FormatUint(r.writes, 10)
	results, err := r.cli.Multi(ctx, []framework.Op{
		framework.SetOp(r.path, []byte(number), r.version),
		framework.SetOp(r.value, c.data, c.version),
	})
	var refused *framework.MultiError
	switch {
	case err == nil:
		r.version = results[0].Stat.Version
		return results[1].Stat.Version, nil
	case errors.Is(err, framework.ErrOutcomeUnknown):
		return next(c.version), r.settle(ctx, c, number, err)
	case errors.As(err, &refused) && refused.Index == 0:
		return 0, r.refused(ctx, err)
	}
	return 0, missingIsChanged(err)
}

// next returns the version after one. Newer servers skip -1 (ZOOKEEPER-4743).
func next(version int32) int32 {
	if version == -2 {
		return 0
	}
	return version + 1
}

// refused handles a change that was refused because of its receipt. Either the receipt is gone, or an earlier write
// with an unknown outcome has been applied late. The caller of that write was told so. This change was not applied.
func (r *receipts) refused(ctx context.Context, cause error) error {
	switch {
	case errors.Is(cause, framework.ErrNoNode):
		r.forget()
	case errors.Is(cause, framework.ErrBadVersion):
		node, err := r.cli.Get(ctx, r.path)
		if err != nil {
			return r.lost(err)
		}
		r.version = node.Stat.Version
	default:
		return cause
	}
	return fmt.Errorf("%w: %w", errNotApplied, cause)
}

// forget abandons the receipt. The next one has another name, so pending requests for this one can never be applied.
func (r *receipts) forget() { r.path, r.made, r.version, r.keeper, r.kept = "", false, 0, 0, false }

// settle finds out the outcome of a change whose reply was lost. It sets the receipt at the version that the change
// requires. If the set succeeds, the change can no longer be applied. If the version has changed, the receipt's data says
// whether the change was applied.
func (r *receipts) settle(ctx context.Context, c change, number string, cause error) error {
	for {
		stat, err := r.cli.Set(ctx, r.path, nil, r.version)
		switch {
		case err == nil:
			r.version = stat.Version
			return fmt.Errorf("%w: %w", errNotApplied, cause)
		case errors.Is(err, framework.ErrBadVersion), errors.Is(err, framework.ErrOutcomeUnknown):
			settled, err := r.examine(ctx, c, number, cause)
			if settled {
				return err
			}
		case errors.Is(err, framework.ErrNoNode):
			return r.swept(ctx, c, cause)
		default:
			return fmt.Errorf("%w; to find out: %w", cause, err)
		}
	}
}

// read reads a node after a sync, in one session. A server that lags behind, to which a new session may have led, would
// prove nothing.
func (r *receipts) read(ctx context.Context, path string) (framework.Node, error) {
	for {
		epoch := r.cli.State().Epoch
		if err := r.cli.Sync(ctx, path); err != nil {
			return framework.Node{}, err
		}
		node, err := r.cli.Get(ctx, path)
		if r.cli.State().Epoch == epoch {
			return node, err
		}
	}
}

// examine reads the receipt after it has changed, or may have.
func (r *receipts) examine(ctx context.Context, c change, number string, cause error) (settled bool, _ error) {
	node, err := r.read(ctx, r.path)
	switch {
	case errors.Is(err, framework.ErrNoNode):
		return true, r.swept(ctx, c, cause)
	case err != nil:
		return true, fmt.Errorf("%w; to find out: %w", cause, err)
	case node.Stat.Version == r.version: // neither the change nor the set of the receipt has been applied so far
		return false, nil
	}
	r.version = node.Stat.Version
	if string(node.Data) == number {
		return true, nil
	}
	return true, fmt.Errorf("%w: %w", errNotApplied, cause)
}

// swept decides without the receipt. No change that requires it can be applied any more, and none was if the value has
// not changed.
func (r *receipts) swept(ctx context.Context, c change, cause error) error {
	r.forget()
	node, err := r.read(ctx, r.value)
	switch {
	case err != nil:
		return fmt.Errorf("%w; to find out: %w", cause, err)
	case node.Stat.Czxid == c.czxid && node.Stat.Version == c.version:
		return fmt.Errorf("%w: %w", errNotApplied, cause)
	}
	return fmt.Errorf("%w; the receipt is gone, and %s has been written since", cause, r.value)
}

// ready makes sure that the receipt exists and is kept.
func (r *receipts) ready(ctx context.Context) error {
	if !r.made {
		if err := r.create(ctx); err != nil {
			return err
		}
	}
	if !r.kept || r.keeper != r.cli.State().SessionID {
		return r.keep(ctx)
	}
	return nil
}

// create creates a new receipt, or the one whose create has an unknown outcome. It may already exist if the reply to a
// first attempt was lost: no other client uses its name.
func (r *receipts) create(ctx context.Context) error {
	if r.path == "" {
		guid, err := seqnode.ReadGUID(recipekit.Random(r.cli))
		if err != nil {
			return err
		}
		r.path = framework.Join(r.value, "receipt-"+guid)
	}
	_, err := r.cli.Create(ctx, r.path, nil, framework.Container, framework.Idempotent)
	if errors.Is(err, framework.ErrUnsupported) {
		_, err = r.cli.Create(ctx, r.path, nil, framework.Persistent, framework.Idempotent)
	}
	switch {
	case err == nil, errors.Is(err, framework.ErrNodeExists):
		r.made = true
		return nil
	case errors.Is(err, framework.ErrNoAuth), errors.Is(err, framework.ErrNoChildrenForEphemerals):
		r.forget()
		return fmt.Errorf("a receipt cannot be put beside the value; WithoutReceipt writes without: %w", err)
	}
	return missingIsChanged(err)
}

// keep creates an ephemeral node in the receipt, so that the servers do not remove the receipt while this session
// lives. It is only created in the session that its name contains, because in another session it could not be found
// again. It is recorded before the request: an abandoned request may still be applied, and the node would remain as
// long as the session.
func (r *receipts) keep(ctx context.Context) error {
	s, err := r.cli.Session(ctx)
	if err != nil {
		return err
	}
	r.keeper, r.kept = s.ID(), false
	_, err = s.Create(ctx, r.keeperOf(s.ID()), nil, framework.Ephemeral, framework.Idempotent)
	if errors.Is(err, framework.ErrSessionLost) {
		return fmt.Errorf("%w: %w", errNotApplied, err)
	}
	if err != nil && !errors.Is(err, framework.ErrNodeExists) {
		return r.lost(err)
	}
	r.kept = true
	return nil
}

// keeperOf returns the path of the ephemeral node with which a session keeps the receipt.
func (r *receipts) keeperOf(session int64) string {
	return framework.Join(r.path, fmt.Sprintf("keeper-%x", uint64(session)))
}

// remove deletes the receipt with its keeper, together or one after the other, now or in the background. If another
// session also keeps the receipt, the servers remove it later.
func (r *receipts) remove(ctx context.Context) error {
	if r.path == "" {
		return nil
	}
	defer r.forget()
	path, keeper := r.path, r.keeperOf(r.keeper)
	var unkept error
	if r.keeper != 0 {
		_, err := r.cli.Multi(ctx, []framework.Op{
			framework.DeleteOp(keeper, framework.AnyVersion), framework.DeleteOp(path, framework.AnyVersion),
		}, framework.Idempotent)
		if err == nil {
			return nil
		}
		unkept = r.cli.Delete(ctx, keeper, framework.AnyVersion, framework.Guaranteed)
		if errors.Is(unkept, framework.ErrNoNode) {
			unkept = nil
		}
	}
	// Even if ctx has ended, because the background removal has to include both.
	err := r.cli.Delete(ctx, path, framework.AnyVersion, framework.Guaranteed)
	if errors.Is(err, framework.ErrNoNode) || errors.Is(err, framework.ErrNotEmpty) {
		err = nil
	}
	return errors.Join(unkept, err)
}

// lost handles an error around a change that was not applied. Without its receipt, the change is retried with a new
// one.
func (r *receipts) lost(err error) error {
	if errors.Is(err, framework.ErrNoNode) {
		r.forget()
		return fmt.Errorf("%w: %w", errNotApplied, err)
	}
	return err
}
