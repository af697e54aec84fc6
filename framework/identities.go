package framework

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/docent-zk/docent/internal/wire"
)

// identities are the credentials that the client presents on its connections besides SASL, and whether the servers
// accept the client.
//
//	Config.Auth ─▶ kept ◀── accepted ── provisional ◀── AddAuth
//	               │  ▲                     │
//	     refused: reported, and             └─ refused: dropped
//	     presented again on the next connection
type identities struct {
	log *slog.Logger

	setting chan struct{} // holds a token while SetAuth is running

	mu      sync.Mutex
	list    []*identity
	last    uint64              // the last number assigned
	said    map[string]struct{} // kinds of failures that have been logged since the last success
	changed chan struct{}       // closed, and replaced, when failure changes

	failure atomic.Pointer[AuthError] // why the servers do not accept the client; nil if they do. Stored with the mutex held
}

// identity is a credential that is presented on each connection.
type identity struct {
	wire.Auth
	provisional bool          // added while the client was running, and not yet accepted by a server
	settled     chan struct{} // closed when a server has answered it
	err         error         // the refusal, if it was one
}

func (s *identities) init(log *slog.Logger, auth []Auth) {
	s.log, s.changed, s.setting = log, make(chan struct{}), make(chan struct{}, 1)
	for _, a := range auth {
		s.append(a, false)
	}
}

// append adds an identity. The mutex is held, or no other goroutine uses the list yet.
func (s *identities) append(a Auth, provisional bool) *identity {
	s.last++
	id := &identity{Auth: wire.Auth{Scheme: a.Scheme, Data: bytes.Clone(a.Credentials), ID: s.last}, provisional: provisional, settled: make(chan struct{})}
	s.list = append(s.list, id)
	return id
}

// presented returns the credentials for a connection.
func (s *identities) presented() []wire.Auth {
	s.mu.Lock()
	defer s.mu.Unlock()
	auth := make([]wire.Auth, len(s.list))
	for i, id := range s.list {
		auth[i] = id.Auth
	}
	return auth
}

// add returns the identity for a, which is added if it is not in the list. The mutex is not held.
func (s *identities) add(a Auth) (id *identity, added bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.IndexFunc(s.list, func(id *identity) bool { return id.is(a) }); i >= 0 {
		return s.list[i], false
	}
	return s.append(a, true), true
}

func (id *identity) is(a Auth) bool {
	return id.Scheme == a.Scheme && bytes.Equal(id.Data, a.Credentials)
}

// keep drops all identities except auth, and reports whether there were any.
func (s *identities) keep(auth []Auth) (dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(func(id *identity) bool { return !slices.ContainsFunc(auth, id.is) })
}

// drop removes identities.
func (s *identities) drop(ids ...*identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(func(id *identity) bool { return slices.Contains(ids, id) })
}

// errDropped ends an AddAuth whose identity SetAuth has dropped.
var errDropped = errors.New("zookeeper: SetAuth has dropped the identity before a server answered it")

// remove drops identities. An AddAuth that waits for one of them returns errDropped. It reports whether any were
// dropped. The mutex is held.
func (s *identities) remove(which func(*identity) bool) (any bool) {
	before := len(s.list)
	s.list = slices.DeleteFunc(s.list, func(id *identity) bool {
		if !which(id) {
			return false
		}
		if !isClosed(id.settled) {
			id.err = errDropped
			close(id.settled)
		}
		return true
	})
	return len(s.list) < before
}

// answered handles a server's answer to a credential; err is nil if it was accepted.
func (s *identities) answered(a wire.Auth, server string, err error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.list, func(id *identity) bool { return id.ID == a.ID })
	if i < 0 { // it has been dropped meanwhile
		s.mu.Unlock()
		return
	}
	id := s.list[i]
	refused := err != nil && id.provisional
	switch {
	case refused:
		s.list = slices.Delete(s.list, i, i+1)
		id.err = rejected(a.Scheme, server)
		close(id.settled)
	case err == nil:
		id.provisional = false
		if !isClosed(id.settled) {
			close(id.settled)
		}
	}
	s.mu.Unlock()
	switch {
	case refused:
		s.log.Warn("a new identity is refused, which ends the connection; it is dropped", "scheme", a.Scheme, "server", server)
	case err != nil:
		s.refused(rejected(a.Scheme, server))
	}
}

// refused records that the servers do not accept the client. Each kind of failure is logged once.
func (s *identities) refused(err *AuthError) {
	s.mu.Lock()
	s.fails(err)
	kind := err.kind()
	_, said := s.said[kind]
	if s.said == nil {
		s.said = make(map[string]struct{})
	}
	s.said[kind] = struct{}{}
	s.mu.Unlock()
	level := slog.LevelError
	if said {
		level = slog.LevelDebug
	}
	s.log.Log(context.Background(), level, "the servers do not accept the client", "error", err)
}

// fails stores the failure; nil for none. The mutex is held.
func (s *identities) fails(err *AuthError) {
	s.failure.Store(err)
	close(s.changed)
	s.changed = make(chan struct{})
}

// accepted records that a server has accepted all credentials of a connection. It may still require others.
func (s *identities) accepted() {
	if f := s.failure.Load(); f != nil && !errors.Is(f, ErrAuthRequired) {
		s.served()
	}
}

// served records that a server has answered an operation, which it does only for clients that it accepts.
func (s *identities) served() {
	if s.failure.Load() == nil {
		return
	}
	s.mu.Lock()
	news := s.failure.Load() != nil
	if news {
		s.fails(nil)
		s.said = nil
	}
	s.mu.Unlock()
	if news {
		s.log.Info("the servers accept the client again")
	}
}

// failed returns why the servers do not accept the client, or nil if they do.
func (s *identities) failed() error {
	if f := s.failure.Load(); f != nil {
		return f
	}
	return nil
}

// watch returns the same as failed, and a channel that is closed when that changes.
func (s *identities) watch() (err error, changed <-chan struct{}) { // the error is what is asked for
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed(), s.changed
}

// describe names the identities, without secrets.
func (s *identities) describe() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]string, len(s.list))
	for i, id := range s.list {
		list[i] = fmt.Sprintf("scheme %q", id.Scheme)
		if user, _, ok := bytes.Cut(id.Data, []byte(":")); ok && id.Scheme == "digest" {
			list[i] = fmt.Sprintf("digest user %q", user)
		}
	}
	return list
}

// AddAuth adds an identity to those of [Config.Auth]. It is presented at once, and on all later connections and
// sessions. AddAuth returns when a server has accepted it. Adding the same identity again has no further effect.
//
// If a server refuses it, AddAuth returns an [*AuthError] and the identity is dropped. ZooKeeper's servers then close
// the connection, so the client is SUSPENDED for a moment. A server accepts any credentials of the scheme "digest",
// which are only compared with ACLs later.
//
// If ctx ends first, the identity is kept and presented on the next connection. The caller may reuse credentials when
// AddAuth has returned.
func (c *Client) AddAuth(ctx context.Context, scheme string, credentials []byte) error {
	if err := c.usable(); err != nil {
		return err
	}
	_, err := c.core.addAuth(ctx, Auth{Scheme: scheme, Credentials: credentials})
	return err
}

// addAuth adds an identity. It returns it if it was not in the list before.
func (c *core) addAuth(ctx context.Context, a Auth) (added *identity, err error) {
	if a.Scheme == "" {
		return nil, errors.New("zookeeper: an identity needs a scheme, such as \"digest\"")
	}
	id, isNew := c.identities.add(a)
	if isNew {
		added = id
	}
	if g := c.gate.Load(); g.epoch != nil {
		g.epoch.wire.Present(id.Auth)
	}
	select {
	case <-id.settled:
		return added, id.err
	case <-c.quit:
		return added, ErrClosed
	case <-ctx.Done():
	}
	err = ContextError(ctx)
	if !c.gate.Load().State.Connected() {
		err = c.notConnected(err)
	}
	return added, fmt.Errorf("zookeeper: no server has answered the identity of scheme %q: %w", a.Scheme, c.blame(err))
}

// SetAuth replaces all identities of [Config.Auth] and AddAuth. New ones are added first, as AddAuth does. If a server
// refuses one, SetAuth returns the error and the client keeps its former identities. Otherwise the former ones are
// dropped. ZooKeeper cannot drop an identity from a connection, so the session moves to a new one: see
// [Client.Reconnect].
//
// If ctx ends during the move, the current connection keeps both the former and the new identities, and later
// connections have the new ones only. Nodes that were created with CreatorACL belong to the identities of that time.
// Add the new identity to their ACLs before you drop the former one.
func (c *Client) SetAuth(ctx context.Context, auth ...Auth) error {
	if err := c.usable(); err != nil {
		return err
	}
	ids := &c.core.identities
	select {
	case ids.setting <- struct{}{}:
		defer func() { <-ids.setting }()
	case <-ctx.Done():
		return fmt.Errorf("zookeeper: another SetAuth is running: %w", ContextError(ctx))
	}
	var added []*identity
	for _, a := range auth {
		id, err := c.core.addAuth(ctx, a)
		if id != nil {
			added = append(added, id)
		}
		if err != nil {
			ids.drop(added...)
			return err
		}
	}
	if !ids.keep(auth) {
		return nil
	}
	if err := c.core.renew(ctx, "identities were dropped"); err != nil {
		return fmt.Errorf("zookeeper: the identities are replaced, but the current connection also has the former ones: %w", err)
	}
	return nil
}
