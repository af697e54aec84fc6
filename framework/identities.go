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

// identities are what the client presents on its connections beside SASL, and what the servers say of the client.
//
//	Config.Auth ─▶ kept ◀── accepted ── provisional ◀── AddAuth
//	               │  ▲                     │
//	     refused: told, and presented       └─ refused: dropped
//	     again on the next connection
type identities struct {
	log *slog.Logger

	setting chan struct{} // holds a token while SetAuth is at work

	mu      sync.Mutex
	list    []*identity
	last    uint64              // the latest number given to one
	said    map[string]struct{} // kinds of failures that the log has a line for, since the latest success
	changed chan struct{}       // closed, and replaced, when failure changes

	failure atomic.Pointer[AuthError] // why the servers do not accept the client; nil if they do. Stored with the mutex held
}

// identity is a credential that is presented on each connection.
type identity struct {
	wire.Auth
	provisional bool          // it came up while the client was running, and no server has accepted it yet
	settled     chan struct{} // closed when a server has answered it
	err         error         // that answer, if it was a refusal
}

func (s *identities) init(log *slog.Logger, auth []Auth) {
	s.log, s.changed, s.setting = log, make(chan struct{}), make(chan struct{}, 1)
	for _, a := range auth {
		s.append(a, false)
	}
}

// append adds an identity. Nobody else is about, or the mutex is held.
func (s *identities) append(a Auth, provisional bool) *identity {
	s.last++
	id := &identity{Auth: wire.Auth{Scheme: a.Scheme, Data: bytes.Clone(a.Credentials), ID: s.last}, provisional: provisional, settled: make(chan struct{})}
	s.list = append(s.list, id)
	return id
}

// presented are the credentials for a connection.
func (s *identities) presented() []wire.Auth {
	s.mu.Lock()
	defer s.mu.Unlock()
	auth := make([]wire.Auth, len(s.list))
	for i, id := range s.list {
		auth[i] = id.Auth
	}
	return auth
}

// add returns the identity that is a, which is new if there was none. The mutex is not held.
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

// keep drops all identities but those in auth, and reports whether there were others.
func (s *identities) keep(auth []Auth) (dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.list)
	s.list = slices.DeleteFunc(s.list, func(id *identity) bool { return !slices.ContainsFunc(auth, id.is) })
	return len(s.list) < before
}

// drop takes identities out.
func (s *identities) drop(ids ...*identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(s.list, func(id *identity) bool { return slices.Contains(ids, id) })
}

// answered takes a server's answer to a credential; err is nil if it accepts it.
func (s *identities) answered(a wire.Auth, server string, err error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.list, func(id *identity) bool { return id.ID == a.ID })
	if i < 0 { // it was dropped meanwhile
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

// refused notes that the servers do not accept the client. The log has a line for each kind of that.
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

// fails stores the failure, nil for none. The mutex is held.
func (s *identities) fails(err *AuthError) {
	s.failure.Store(err)
	close(s.changed)
	s.changed = make(chan struct{})
}

// accepted notes that a server has accepted all that the client presents on a connection. It may still demand more.
func (s *identities) accepted() {
	if f := s.failure.Load(); f != nil && !errors.Is(f, ErrAuthRequired) {
		s.served()
	}
}

// served notes that a server has answered an operation, which it does only for clients that it accepts.
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

// failed returns why the servers do not accept the client, and nil if they do.
func (s *identities) failed() error {
	if f := s.failure.Load(); f != nil {
		return f
	}
	return nil
}

// watch is failed, with a channel that is closed when that has changed.
func (s *identities) watch() (err error, changed <-chan struct{}) { // the error is what is asked for
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed(), s.changed
}

// describe says who the client is, without secrets.
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

// AddAuth adds an identity to those of [Config.Auth]. It is presented on the present connection at once, and on all later ones, also
// in later sessions. AddAuth returns when a server has accepted it. Adding an identity again does nothing else.
//
// If a server refuses it, AddAuth returns an [*AuthError], and the identity is dropped. The server closes the connection then, so the
// client is SUSPENDED for a moment: nothing else can be done about a refusal in ZooKeeper's protocol. A server accepts any credentials of scheme
// "digest": they are compared with ACLs later.
//
// If ctx ends first, the identity stays: it is presented on the next connection. credentials belong to the caller again
// when AddAuth returns.
func (c *Client) AddAuth(ctx context.Context, scheme string, credentials []byte) error {
	if err := c.usable(); err != nil {
		return err
	}
	_, err := c.core.addAuth(ctx, Auth{Scheme: scheme, Credentials: credentials})
	return err
}

// addAuth reports whether the identity was not there before.
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

// SetAuth replaces all identities of [Config.Auth] and of AddAuth. What is new is added first, as AddAuth does. If a server refuses
// that, SetAuth returns the error, and the client keeps the identities that it had. Then the others are dropped. A connection cannot
// drop an identity, so the session moves to a new connection: see [Client.Reconnect].
//
// If ctx ends while the session moves, later connections have the new identities alone, and the present one has both.
// Nodes that were created with CreatorACL belong to the identities of that time: give them an ACL for the new identity before the
// old one is dropped.
func (c *Client) SetAuth(ctx context.Context, auth ...Auth) error {
	if err := c.usable(); err != nil {
		return err
	}
	ids := &c.core.identities
	select {
	case ids.setting <- struct{}{}:
		defer func() { <-ids.setting }()
	case <-ctx.Done():
		return fmt.Errorf("zookeeper: another SetAuth is at work: %w", ContextError(ctx))
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
		return fmt.Errorf("zookeeper: identities are replaced, but the present connection has the former ones too: %w", err)
	}
	return nil
}
