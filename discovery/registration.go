package discovery

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
	"github.com/docent-zk/docent/node"
)

// Registration keeps an instance registered. It is safe for concurrent use.
type Registration[T any] struct {
	reg    *Registry[T]
	keeper *node.Keeper
	turn   chan struct{} // holds a token while no goroutine writes

	once    sync.Once
	closing chan struct{} // closed by Close

	mu     sync.Mutex // guards the fields below
	in     Instance[T]
	ending bool
}

// Register registers an instance until the Registration or the client is closed. It returns when the instance's node
// exists; ctx bounds only that. It sets the ID and the RegistrationTime if they are missing. If another session has a
// node with the same id, that node is replaced: see the package documentation.
//
// Errors: [ErrInvalidInstance] and those of node.Keep. After an error, the instance is not registered.
func (r *Registry[T]) Register(ctx context.Context, in Instance[T]) (*Registration[T], error) {
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("service %q: %w", in.Name, err)
	}
	in, err := r.complete(in)
	if err != nil {
		return nil, err
	}
	dir, err := r.Path(in.Name)
	if err != nil {
		return nil, err
	}
	data, err := r.encode(in)
	if err != nil {
		return nil, err
	}
	reg := &Registration[T]{reg: r, turn: make(chan struct{}, 1), closing: make(chan struct{}), in: in}
	reg.turn <- struct{}{}
	path := framework.Join(dir, in.ID)
	ctx, told := recipekit.Telemetry(r.cli).Register(ctx, path)
	reg.keeper, err = node.Keep(ctx, r.cli, path, data,
		node.WithMode(in.Type.mode()), node.Replace(), reg.listed())
	told(err)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", in.Name, err)
	}
	return reg, nil
}

// complete sets the fields that an instance may leave to Register, and validates the others.
func (r *Registry[T]) complete(in Instance[T]) (Instance[T], error) {
	if in.ID == "" {
		id, err := randomUUID(recipekit.Random(r.cli))
		if err != nil {
			return in, fmt.Errorf("service %s: an id cannot be drawn: %w", in.Name, err)
		}
		in.ID = id
	}
	if in.RegistrationTime.IsZero() {
		in.RegistrationTime = time.Now()
	}
	in.RegistrationTime = time.UnixMilli(in.RegistrationTime.UnixMilli()).UTC()
	if err := in.validate(); err != nil || r.anyAddress {
		return in, err
	}
	if err := in.reachable(); err != nil {
		return in, fmt.Errorf("%w: %w", ErrInvalidInstance, err)
	}
	return in, nil
}

// encode encodes an instance.
func (r *Registry[T]) encode(in Instance[T]) ([]byte, error) {
	var data []byte
	err := r.cli.Guard("codec", framework.Join(r.base, in.Name, in.ID), func() (err error) {
		data, err = r.codec.Encode(in)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("service %s, instance %s: %w", in.Name, in.ID, err)
	}
	return data, nil
}

// randomUUID returns a random UUID (version 4).
func randomUUID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:], nil
}

// Instance returns the instance as last registered or updated, with its ID and RegistrationTime.
func (r *Registration[T]) Instance() Instance[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.in
}

// Update replaces the instance, and returns when its node has been written. An empty ID and a zero RegistrationTime
// keep their values. Name, ID and Type cannot change. Updates are applied one after the other. If ctx ends first, the
// instance is written as soon as possible.
//
// Errors: [ErrInvalidInstance]; [ErrEnding] after Drain or Close; those of node.Keeper's Set, if the servers refuse the
// write, in which case the instance keeps its value.
func (r *Registration[T]) Update(ctx context.Context, in Instance[T]) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	defer r.end()
	old := r.Instance()
	if in.ID == "" {
		in.ID = old.ID
	}
	if in.RegistrationTime.IsZero() {
		in.RegistrationTime = old.RegistrationTime
	}
	in, err := r.reg.complete(in)
	if err != nil {
		return err
	}
	if in.Name != old.Name || in.ID != old.ID || in.Type != old.Type {
		return fmt.Errorf("%w: Name, ID and Type of %s/%s cannot change", ErrInvalidInstance, old.Name, old.ID)
	}
	return r.write(ctx, in)
}

// begin waits for its turn to write.
func (r *Registration[T]) begin(ctx context.Context) error {
	select {
	case <-r.turn:
	case <-ctx.Done():
		return fmt.Errorf("instance %s: another update is under way: %w", r.keeper.Path(), framework.ContextError(ctx))
	}
	if r.over() {
		r.end()
		return fmt.Errorf("instance %s: %w", r.keeper.Path(), ErrEnding)
	}
	return nil
}

// end ends the turn.
func (r *Registration[T]) end() { r.turn <- struct{}{} }

// over reports whether the registration is ending.
func (r *Registration[T]) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ending
}

// write replaces the instance.
func (r *Registration[T]) write(ctx context.Context, in Instance[T]) error {
	data, err := r.reg.encode(in)
	if err != nil {
		return err
	}
	err = r.keeper.Set(ctx, data)
	if err == nil || ctx.Err() != nil { // in the second case it will be written
		r.show(in)
	}
	return err
}

func (r *Registration[T]) show(in Instance[T]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in = in
}

// Drain takes the instance out of service and ends the registration, so that clients can finish their calls. It marks
// the instance Disabled, waits, and closes. The wait begins when the mark has been written. If the mark cannot be
// written within that time, because there is no connection, Drain closes without a further wait. The wait ends early
// when ctx ends, or when Close or Drain is called again.
//
// If the format cannot express Disabled, or the servers refuse the write, Drain removes the node first and then waits.
//
// It returns the error of [Registration.Close].
func (r *Registration[T]) Drain(ctx context.Context, wait time.Duration) error {
	switch r.retire(ctx, wait) {
	case marked:
		r.linger(ctx, wait)
	case unsaid:
		err := r.keeper.Close(ctx)
		r.linger(ctx, wait)
		return err
	}
	return r.Close(ctx)
}

// outcome is the result of marking an instance.
type outcome int

const (
	marked outcome = iota // the mark is written
	unsaid                // there is no mark
	late                  // it could not be written in time, or another call ends the registration
)

// retire marks the instance, within the given time, and prevents further updates.
func (r *Registration[T]) retire(ctx context.Context, most time.Duration) outcome {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	if err := r.begin(ctx); err != nil {
		r.finish()
		return late
	}
	defer r.end()
	r.finish()
	in := r.Instance()
	in.Disabled = false
	enabled, _ := r.reg.encode(in)
	in.Disabled = true
	disabled, err := r.reg.encode(in)
	if err != nil || bytes.Equal(enabled, disabled) {
		return unsaid
	}
	err = r.write(ctx, in)
	switch {
	case err == nil:
		return marked
	case ctx.Err() != nil, r.keeper.Err() != nil:
		return late
	}
	return unsaid
}

// linger waits until the time has passed or another call ends the registration.
func (r *Registration[T]) linger(ctx context.Context, wait time.Duration) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-r.closing:
	case <-ctx.Done():
	}
}

// finish prevents further updates of the instance.
func (r *Registration[T]) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ending = true
}

// Close removes the instance's node and ends the registration, with or without a connection. It returns nil when the
// node is gone, or will be removed with the client's session. If ctx ends first, the removal continues in the
// background until it succeeds or the client is closed, and the error is framework.ErrReleasing with the cause of ctx.
// A node of another client with the same id is not touched. Further calls wait for the same removal.
func (r *Registration[T]) Close(ctx context.Context) error {
	r.finish()
	r.once.Do(func() { close(r.closing) })
	return r.keeper.Close(ctx)
}

// Standing reports whether the instance's node exists, since when, and why not, for readiness probes. While the
// connection is suspended, the node counts as existing, since the session may live.
func (r *Registration[T]) Standing() node.Standing { return r.keeper.Standing() }

// WaitStanding waits until the instance's node exists. Its errors are those of node.Keeper's WaitStanding.
func (r *Registration[T]) WaitStanding(ctx context.Context) error {
	return r.keeper.WaitStanding(ctx)
}

// Policy returns how a Registration responds to SUSPENDED and LOST.
func (r *Registration[T]) Policy() framework.Policy { return r.keeper.Policy() }

// Path returns the path of the instance's node, or its last one while it does not exist.
func (r *Registration[T]) Path() string { return r.keeper.Path() }

// Done returns a channel that is closed when the registration has ended: after Close, when the node is gone, or when
// the client was closed.
func (r *Registration[T]) Done() <-chan struct{} { return r.keeper.Done() }

// Err returns why the registration has ended, node.ErrKeeperClosed or framework.ErrClosed, or nil while it has not.
func (r *Registration[T]) Err() error { return r.keeper.Err() }
