package kerberos

import (
	"context"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/sasl"
)

// noLayer is the security layer of ZooKeeper's connections: none (RFC 4752, 3.3).
const noLayer = 1

// exchange is one authentication (RFC 4752, 3.1).
//
//	     request ─▶           ◀─ proof              ◀─ layers, protected
//	begun ──────── requested ─────────── established ──────────────────── done
//	                              nothing ─▶            choice, protected ─▶
type exchange struct {
	ticket  *ticket
	dismiss func(*ticket) // takes a ticket out of use
	step    int
	context gssContext
	proven  bool
}

// Next implements [sasl.Exchange].
func (x *exchange) Next(_ context.Context, challenge []byte) (response []byte, done bool, err error) {
	x.step++
	switch x.step {
	case 1:
		response, err = x.context.request(x.ticket)
	case 2:
		response, err = []byte{}, x.context.reply(challenge)
		x.proven = err == nil
	case 3:
		response, err = x.choose(challenge)
		done = err == nil
	default:
		err = errors.New("a message behind the end of the exchange")
	}
	if err != nil {
		return nil, false, x.explain(err)
	}
	return response, done, nil
}

// choose answers the server's offer of security layers. The server takes the name of the client from its ticket.
func (x *exchange) choose(challenge []byte) ([]byte, error) {
	offer, err := x.context.unwrap(challenge)
	if err != nil {
		return nil, err
	}
	if len(offer) != 4 {
		return nil, fmt.Errorf("an offer of security layers of %d bytes", len(offer))
	}
	if offer[0]&noLayer == 0 {
		return nil, errors.New("the server insists on a security layer, which ZooKeeper's protocol does not have")
	}
	return x.context.wrap([]byte{noLayer, 0, 0, 0})
}

func (x *exchange) explain(err error) error {
	x.dismiss(x.ticket)
	var known *sasl.Error
	var refused *refusal
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &refused):
		explained := refused.explain(x.ticket.client, x.ticket.server)
		explained.Err = fmt.Errorf("from the server: %w", refused)
		return explained
	}
	return fail(sasl.ErrServer, fmt.Sprintf("the server is not %s, or somebody is between it and this client", x.ticket.server), err)
}

// Refused implements [sasl.Refusable]. Servers give no reason, so the remedy names the usual ones.
func (x *exchange) Refused(err *sasl.Error) error {
	x.dismiss(x.ticket)
	if errors.Is(err.Kind, sasl.ErrNotOffered) {
		return err
	}
	if x.proven {
		err.Remedy = fmt.Sprintf("the server knows this client as %s and does not let it in: see the server's log and its kerberos.* properties", x.ticket.client)
		return err
	}
	err.Remedy = fmt.Sprintf("the server could not accept a ticket for %s: its keytab may be older than the principal's key, its clock or this one wrong, or its JAAS file name another principal; its log says which", x.ticket.server)
	return err
}
