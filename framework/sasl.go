package framework

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/docent-zk/docent/internal/wire"
	"github.com/docent-zk/docent/sasl"
)

// authenticates returns how Config.SASL begins an exchange on a connection; nil without it.
func (e *epoch) authenticates() wire.SASL {
	mechanism := e.core.cfg.SASL
	if mechanism == nil {
		return nil
	}
	return func(ctx context.Context, peer net.Addr) (wire.Exchange, error) {
		dialled, _ := e.dialledLast()
		server := sasl.Server{Host: dialled}
		if host, _, err := net.SplitHostPort(dialled); err == nil {
			server.Host = host
		}
		if peer != nil {
			server.Address = peer.String()
		}
		x := &exchange{mechanism: nameOf(mechanism), panicked: e.core.hosts.panicked}
		err := guarded("SASL", server.Host, func() (err error) {
			x.Exchange, err = mechanism.Start(ctx, server)
			return err
		}, x.panicked)
		if err == nil && x.Exchange == nil {
			err = errors.New("Config.SASL has begun no exchange and returned no error")
		}
		return x, err
	}
}

// prepare obtains what Config.SASL needs before a connection to a server. It returns an *AuthError if the mechanism
// fails, and another error if ctx or the epoch has ended.
func (e *epoch) prepare(ctx context.Context, server string) error {
	mechanism, ok := e.core.cfg.SASL.(sasl.Preparer)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, e.core.hosts.usualHandshake())
	defer cancel()
	err := guarded("SASL", server, func() error { return mechanism.Prepare(ctx) }, e.core.hosts.panicked)
	if err == nil || e.ctx.Err() != nil || errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	return saslFailed(mechanism, server, err)
}

// usualHandshake returns the usual limit of a handshake.
func (h *hosts) usualHandshake() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bounds().handshake.usual
}

// exchange is a user's exchange. A panic in it only ends the connection.
type exchange struct {
	sasl.Exchange
	mechanism string
	panicked  func(function, path string, value any)
}

// Refused gives a server's refusal its kind, and lets an exchange that implements it explain the refusal.
func (x *exchange) Refused(cause error) error {
	refused := &sasl.Error{Mechanism: x.mechanism, Kind: sasl.ErrRefused, Err: cause}
	if errors.Is(cause, wire.ErrNoSASL) {
		refused.Kind = sasl.ErrNotOffered
	}
	wants, ok := x.Exchange.(sasl.Refusable)
	if !ok {
		return refused
	}
	var last error
	if err := guarded("SASL", "", func() error { last = wants.Refused(refused); return nil }, x.panicked); err != nil {
		return err
	}
	if last == nil {
		return refused
	}
	return last
}

func (x *exchange) Next(ctx context.Context, challenge []byte) (response []byte, done bool, err error) {
	err = guarded("SASL", "", func() (err error) {
		response, done, err = x.Exchange.Next(ctx, challenge)
		return err
	}, x.panicked)
	return response, done, err
}

// sasl notes a problem that Config.SASL reports.
func (e *examination) sasl(c *core) {
	mechanism, ok := c.cfg.SASL.(sasl.Monitored)
	if !ok {
		return
	}
	var since time.Time
	err := guarded("SASL", "", func() (err error) {
		since, err = mechanism.Problem()
		return err
	}, c.panicked)
	if since.IsZero() {
		since = e.now
	}
	if err != nil {
		e.note(HealthReason{Text: "Config.SASL: " + err.Error(), Since: since, Err: err, Notice: true})
	}
}
