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

// receipts makes the writes of one Value exact: see the package documentation. It belongs to whoever has the Value's turn.
type receipts struct {
	cli   *framework.Client
	value string // path

	path    string // of the receipt that is there, or may be; empty while there is none
	made    bool   // it is there
	version int32  // of the receipt, as far as is known; a change that asks for an older one is refused
	keeper  int64  // session of the node that keeps the receipt from being swept, which is there, or may be; 0 for none
	kept    bool   // it is there
	writes  uint64 // that were tried
}

// apply makes a change once, or finds out that it was not made.
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

// next is the version behind one. Newer servers leave out -1 (ZOOKEEPER-4743).
func next(version int32) int32 {
	if version == -2 {
		return 0
	}
	return version + 1
}

// refused is for a change that was refused on account of its receipt: it is gone, or a write that was given up before with
// its outcome open has been applied after all. That one's caller was told that nobody knows; this change was not applied.
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

// forget gives the receipt up. The next one gets another name: what is still under way for this one can never be applied.
func (r *receipts) forget() { r.path, r.made, r.version, r.keeper, r.kept = "", false, 0, 0, false }

// settle finds out what became of a change whose answer was lost. Either it makes the change impossible, by a set of the
// receipt which asks for the same version, or the change has been faster.
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

// look reads a node behind a sync in one session: what a server says that lags behind, and to which a new session may have
// led, is no proof.
func (r *receipts) look(ctx context.Context, path string) (framework.Node, error) {
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
	node, err := r.look(ctx, r.path)
	switch {
	case errors.Is(err, framework.ErrNoNode):
		return true, r.swept(ctx, c, cause)
	case err != nil:
		return true, fmt.Errorf("%w; to find out: %w", cause, err)
	case node.Stat.Version == r.version: // neither the change nor the set of the receipt was applied, so far
		return false, nil
	}
	r.version = node.Stat.Version
	if string(node.Data) == number {
		return true, nil
	}
	return true, fmt.Errorf("%w: %w", errNotApplied, cause)
}

// swept decides without the receipt. Nothing that asks for it can be applied any more; nothing was, if the value has not changed.
func (r *receipts) swept(ctx context.Context, c change, cause error) error {
	r.forget()
	node, err := r.look(ctx, r.value)
	switch {
	case err != nil:
		return fmt.Errorf("%w; to find out: %w", cause, err)
	case node.Stat.Czxid == c.czxid && node.Stat.Version == c.version:
		return fmt.Errorf("%w: %w", errNotApplied, cause)
	}
	return fmt.Errorf("%w; the receipt is gone, and %s has been written since", cause, r.value)
}

// ready makes sure that there is a receipt and that it is kept.
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

// create makes a new receipt, or the one of which nobody knows whether it was made. It may be found to be there, when the answer to a
// first try was lost: its name is nobody else's.
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

// keep puts an ephemeral node into the receipt, so that it is not swept while this session lives. It is created in the session that
// it is named after, or not at all: under the name of another one nobody would find it again. It is noted ahead of the request: one
// that is given up may be applied all the same, and the node would stay as long as the session.
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

// keeperOf is the path of the ephemeral node by which a session keeps the receipt.
func (r *receipts) keeperOf(session int64) string {
	return framework.Join(r.path, fmt.Sprintf("keeper-%x", uint64(session)))
}

// remove deletes the receipt with its keeper, or one after the other, now or in the background. A receipt that another session still
// keeps is the servers' to sweep.
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
	// Also when ctx has ended: what goes on in the background has to include both.
	err := r.cli.Delete(ctx, path, framework.AnyVersion, framework.Guaranteed)
	if errors.Is(err, framework.ErrNoNode) || errors.Is(err, framework.ErrNotEmpty) {
		err = nil
	}
	return errors.Join(unkept, err)
}

// lost is for an error around a change that was not applied: without its receipt it is tried again with a new one.
func (r *receipts) lost(err error) error {
	if errors.Is(err, framework.ErrNoNode) {
		r.forget()
		return fmt.Errorf("%w: %w", errNotApplied, err)
	}
	return err
}
