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
	// ErrTaken says that the node at the path is not the Keeper's: another session owns it, or it is not ephemeral.
	ErrTaken = errors.New("somebody else's node stands at the path")
	// ErrKeeperClosed is what a Keeper has ended with after Close.
	ErrKeeperClosed = errors.New("the Keeper is closed")
	// ErrDeleted is why a node does not stand that somebody else has deleted; it is put back at once.
	ErrDeleted = errors.New("somebody else has deleted the node")
)

// keeping is the policy of everything that is kept here.
var keeping = framework.Policy{OnSuspended: framework.Hold, OnLost: framework.Rebuild}

// Keeper keeps one node. It is safe for use by many goroutines.
type Keeper struct {
	cli  *framework.Client
	spec spec

	life context.Context // ends on Close, with ErrKeeperClosed
	end  context.CancelCauseFunc
	work context.Context // of the engine; ends on Close when there is nothing to remove
	stop context.CancelCauseFunc
	done chan struct{} // closed when the goroutine that keeps the node has ended
	wake chan struct{} // holds a token when there is something to write

	mu      sync.Mutex // guards the following
	atStake bool       // something may exist on the servers, or a request for it is about to be sent
	board   board
	payload payload
	err     error // why the Keeper has ended
	removal error // what Close returns
}

// Keep makes a node stand at path, with data, until the Keeper is closed or the client is. Missing parents are made as
// containers. It returns when the node stands for the first time; ctx bounds that only. On an error nothing is left behind:
// while there is a connection Keep waits until what it has created is removed, for an eighth of the session timeout at most. What
// cannot be removed by then is removed in the background.
//
// Errors: what the servers refuse the first time (framework.ErrNoAuth, ErrInvalidACL, ErrTooLarge, ErrNoChildrenForEphemerals,
// ErrInvalidPath, ...), framework.ErrClosed, and the cause of ctx, with [ErrTaken] or framework.ErrNotConnected if that is why
// it took so long. Once the node has stood, refusals are no end: they are retried, and [Keeper.Standing] shows them.
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

// linger waits until what there is has been removed, if there is a connection: for an eighth of the session timeout at most.
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

// run is the goroutine of a Keeper. The client waits for it when it is closed.
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

// finish notes why the Keeper has ended.
func (k *Keeper) finish(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err == nil, errors.Is(err, ErrKeeperClosed):
		k.err = k.ended()
	case errors.Is(err, framework.ErrClosed):
		k.err = err
		if k.atStake && !k.spec.ephemeral() {
			k.removal = fmt.Errorf("the node may still stand: %w", err)
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

// Close removes the node and ends the Keeper, in any state of the connection. It returns nil when the node is gone, or goes
// with the client's session. When ctx ends first, the removal goes on in the background until it is done or the client is
// closed, and the error is framework.ErrReleasing with the cause of ctx. An error of the servers says that they refuse it. The client
// goes on trying to remove an ephemeral node that they refuse to remove. Somebody else's node at the path is left alone. Further calls wait for the same.
//
// A container with children of others stays, for the servers to remove when those are gone.
func (k *Keeper) Close(ctx context.Context) error {
	k.beginClose()
	select {
	case <-k.done: // also if ctx has ended
	default:
		select {
		case <-k.done:
		case <-ctx.Done():
			return fmt.Errorf("node %s: %w: %w", k.spec.path, framework.ErrReleasing, framework.ContextError(ctx))
		}
	}
	return k.removal
}

// beginClose tells the goroutine to remove the node. It need not wait for a session if there is nothing to remove.
func (k *Keeper) beginClose() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.end(ErrKeeperClosed)
	k.payload.fail(k.ended())
	if !k.atStake {
		k.stop(ErrKeeperClosed)
	}
}

// ended is the error of a Keeper that Close has ended.
func (k *Keeper) ended() error { return fmt.Errorf("node %s: %w", k.spec.path, ErrKeeperClosed) }

// stakes notes whether something may exist on the servers. It returns false, and changes nothing, once Close was called.
func (k *Keeper) stakes(atStake bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life.Err() != nil {
		return false
	}
	k.atStake = atStake
	return true
}

// Policy is how a Keeper answers SUSPENDED and LOST.
func (k *Keeper) Policy() framework.Policy { return keeping }

// Done is closed when the Keeper has ended: after Close, when the node is gone, or when the client was closed.
func (k *Keeper) Done() <-chan struct{} { return k.done }

// Err says why the Keeper has ended, with [ErrKeeperClosed] or framework.ErrClosed, and is nil until then.
func (k *Keeper) Err() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}
