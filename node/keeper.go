package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// Errors of this package, besides those of package framework.
var (
	// ErrTaken means that another session owns the node at the path, or that the node is not ephemeral.
	ErrTaken = errors.New("another client's node is at the path")
	// ErrKeeperClosed means that the Keeper has ended because of Close.
	ErrKeeperClosed = errors.New("the Keeper is closed")
	// ErrDeleted means that another client has deleted the node. The Keeper creates it again immediately.
	ErrDeleted = errors.New("another client has deleted the node")
)

// keeping is the policy of all recipes of this package.
var keeping = framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}

// Keeper keeps one node. It is safe for concurrent use.
type Keeper struct {
	cli  *framework.Client
	spec spec

	life context.Context // ends on Close, with ErrKeeperClosed
	end  context.CancelCauseFunc
	work context.Context // of the engine; ends on Close if there is nothing to remove
	stop context.CancelCauseFunc
	done chan struct{} // closed when the Keeper's goroutine has ended
	wake chan struct{} // holds a token when there is something to write

	mu      sync.Mutex // guards the fields below
	atStake bool       // the node may exist on the servers, or its create is about to be sent
	board   board
	payload payload
	err     error // why the Keeper has ended
	removal error // the result of Close
}

// Keep creates a node at path with data, and recreates it whenever it is lost, until the Keeper or the client is
// closed. Missing parents are created as containers. Keep returns when the node exists; ctx bounds only that. If Keep
// returns an error, it removes what it has created: with a connection, it waits for that, for an eighth of the session
// timeout at most, and the rest is done in the background.
//
// Keep returns what the servers refuse the first time (framework.ErrNoAuth, ErrInvalidACL, ErrTooLarge,
// ErrNoChildrenForEphemerals, ErrInvalidPath, ...), framework.ErrClosed, or the cause of ctx, with [ErrTaken] or
// framework.ErrNotConnected if that was the reason for the wait. Once the node has existed, refusals are retried, and
// [Keeper.Standing] shows them.
func Keep(ctx context.Context, cli *framework.Client, path string, data []byte, opts ...Option) (*Keeper, error) {
	s, err := newSpec(cli, path, opts)
	if err != nil {
		return nil, err
	}
	k := &Keeper{
		cli: cli, spec: s, done: make(chan struct{}), wake: make(chan struct{}, 1),
		board: newBoard(), payload: newPayload(data),
	}
	k.life, k.end = context.WithCancelCause(context.Background())
	k.work, k.stop = context.WithCancelCause(context.Background())
	go k.run()
	if err := k.WaitStanding(ctx); err != nil {
		k.beginClose()
		k.linger()
		return nil, err
	}
	return k, nil
}

// linger waits until the node has been removed, if there is a connection: for an eighth of the session timeout at most.
func (k *Keeper) linger() {
	state := k.cli.State()
	if !state.State.Connected() {
		return
	}
	t := time.NewTimer(state.Timeout / 8)
	defer t.Stop()
	select {
	case <-k.done:
	case <-t.C:
	}
}

// run is the Keeper's goroutine. The client's Close waits for it.
func (k *Keeper) run() {
	defer close(k.done)
	defer recipekit.Telemetry(k.cli).Kept(func() bool { return k.Standing().Stands })()
	u := &upkeep{Keeper: k}
	err := k.cli.Run(k.work, framework.Recipe{Name: k.spec.listed, Path: k.spec.path, Policy: keeping, Attrs: k.spec.attrs, Run: u.session})
	u.have(nil)
	k.finish(err)
	k.end(ErrKeeperClosed)
	k.stop(ErrKeeperClosed)
}

// finish records why the Keeper has ended.
func (k *Keeper) finish(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err == nil, errors.Is(err, ErrKeeperClosed):
		k.err = k.ended()
	case errors.Is(err, framework.ErrClosed):
		k.err = err
		if k.atStake && !k.spec.ephemeral() {
			k.removal = fmt.Errorf("the node may still exist: %w", err)
		}
	case k.life.Err() != nil:
		k.err = k.ended()
		k.removal = fmt.Errorf("the node cannot be removed: %w", err)
	default:
		k.err = err
	}
	k.board.fall(k.err)
	k.payload.fail(k.err)
}

// Close removes the node and ends the Keeper, with or without a connection. It returns nil when the node is gone, or
// will be removed with the client's session. If ctx ends first, the removal continues in the background until it
// succeeds or the client is closed, and the error is framework.ErrReleasing with the cause of ctx. Other errors are
// refusals by the servers. If they refuse to remove an ephemeral node, the client keeps retrying. A node of another
// client at the path is not touched. Further calls wait for the same removal.
//
// A container that has children of other clients remains, and is removed by the servers when they are gone.
func (k *Keeper) Close(ctx context.Context) error {
	k.beginClose()
	select {
	case <-k.done: // even if ctx has ended
	default:
		select {
		case <-k.done:
		case <-ctx.Done():
			return fmt.Errorf("node %s: %w: %w", k.spec.path, framework.ErrReleasing, framework.ContextError(ctx))
		}
	}
	return k.removal
}

// beginClose makes the goroutine remove the node. If there is nothing to remove, it does not wait for a session.
func (k *Keeper) beginClose() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.end(ErrKeeperClosed)
	k.payload.fail(k.ended())
	if !k.atStake {
		k.stop(ErrKeeperClosed)
	}
}

// ended returns the error of a Keeper that was closed.
func (k *Keeper) ended() error { return fmt.Errorf("node %s: %w", k.spec.path, ErrKeeperClosed) }

// stakes records whether the node may exist on the servers. After Close, it changes nothing and returns false.
func (k *Keeper) stakes(atStake bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life.Err() != nil {
		return false
	}
	k.atStake = atStake
	return true
}

// Policy returns how a Keeper responds to SUSPENDED and LOST.
func (k *Keeper) Policy() framework.Policy { return keeping }

// Done returns a channel that is closed when the Keeper has ended: after Close, when the node is gone, or when the
// client was closed.
func (k *Keeper) Done() <-chan struct{} { return k.done }

// Err returns why the Keeper has ended, [ErrKeeperClosed] or framework.ErrClosed, or nil while it has not.
func (k *Keeper) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}
