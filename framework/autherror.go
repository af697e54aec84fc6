package framework

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docent-zk/docent/sasl"
)

// AuthError means that the servers do not accept the client's identity, or that the client could not authenticate. It
// says what to do about it, and never contains a credential.
//
// It matches ErrAuthFailed, or ErrAuthRequired if the servers demand an identity that the client does not present. If
// SASL has failed, it also matches the error of the Mechanism, and the error of package sasl with the reason, if there
// is one.
type AuthError struct {
	// Scheme is the scheme of the identity: "sasl" for Config.SASL, otherwise the scheme of an entry of Config.Auth. It
	// is empty if the servers demand an identity.
	Scheme string
	// Mechanism is the name of the SASL mechanism. It is empty for other schemes.
	Mechanism string
	// Server is the server, as named in the connect string.
	Server string
	// Advice says what to do, as an imperative clause. It may be empty.
	Advice string
	// Err is the cause.
	Err error
}

// Error names the identity, the server, the reason and what to do.
func (e *AuthError) Error() string {
	text := fmt.Sprintf("%s: %s", e.Server, strings.TrimPrefix(fmt.Sprint(e.Err), e.Mechanism+": "))
	switch {
	case e.Mechanism != "":
		text = fmt.Sprintf("SASL %s: %v: %s", e.Mechanism, ErrAuthFailed, text)
	case e.Scheme != "":
		text = fmt.Sprintf("identity of scheme %q: %v: %s", e.Scheme, ErrAuthFailed, text)
	}
	if e.Advice != "" && !strings.Contains(text, e.Advice) { // the error of a mechanism may already contain it
		text += "; " + e.Advice
	}
	return text
}

// Unwrap returns the sentinel and the cause.
func (e *AuthError) Unwrap() []error {
	if e.Scheme == "" {
		return []error{e.Err}
	}
	return []error{ErrAuthFailed, e.Err}
}

// explains reports whether err is this failure, or follows from it.
func (e *AuthError) explains(err error) bool {
	var same *AuthError
	return e != nil && (errors.As(err, &same) && same == e || errors.Is(err, e.Err) || errors.Is(e.Err, err))
}

// kind distinguishes failures for the log, which has a line for each. There are only a few, whatever the servers reply.
func (e *AuthError) kind() string {
	reason := "other"
	for _, named := range []error{
		ErrAuthRequired, sasl.ErrCredentials, sasl.ErrExpired, sasl.ErrClockSkew, sasl.ErrUnknownServer, sasl.ErrUnreachable,
		sasl.ErrConfiguration, sasl.ErrRefused, sasl.ErrNotOffered, sasl.ErrServer, context.DeadlineExceeded,
	} {
		if errors.Is(e.Err, named) {
			reason = named.Error()
			break
		}
	}
	return e.Scheme + " " + reason
}

// required returns the error for a server that does not process operations of a client without an identity.
func required(server string) *AuthError {
	return &AuthError{
		Server: server, Err: fmt.Errorf("%w (code %d)", ErrAuthRequired, codeSASLRequired),
		Advice: "set Config.SASL, or add the identity to Config.Auth that the servers' sessionRequireClientSASLAuth or enforce.auth.schemes ask for",
	}
}

// rejected returns the error for a credential that a server has rejected.
func rejected(scheme, server string) *AuthError {
	return &AuthError{
		Scheme: scheme, Server: server, Err: fmt.Errorf("the server rejects it (code %d)", codeAuthFailed),
		Advice: fmt.Sprintf("check that the servers have an authentication provider for scheme %q and that the credentials have its form", scheme),
	}
}

// saslFailed returns the error for a SASL exchange that failed with err.
func saslFailed(m sasl.Mechanism, server string, err error) *AuthError {
	f := &AuthError{Scheme: "sasl", Mechanism: nameOf(m), Server: server, Err: err}
	var failure *sasl.Error
	if errors.As(err, &failure) {
		f.Advice = failure.Remedy
	}
	for _, usual := range saslAdvice {
		if f.Advice == "" && errors.Is(err, usual.kind) {
			f.Advice = usual.advice
		}
	}
	return f
}

// saslAdvice says what to do about each kind of failure, unless the mechanism has its own advice.
var saslAdvice = []struct {
	kind   error
	advice string
}{
	{sasl.ErrNotOffered, "start the servers with a JAAS file that has a Server section and with SASLAuthenticationProvider, or leave Config.SASL out"},
	{sasl.ErrRefused, "check the identity in Config.SASL; the servers' logs may say more"},
	{sasl.ErrCredentials, "check the identity in Config.SASL"},
	{sasl.ErrExpired, "renew the credential; the client uses the new one on its next connection"},
	{sasl.ErrClockSkew, "set the clocks of this host, of the servers and of the KDC right"},
	{sasl.ErrUnknownServer, "check the servers' principal, and the names in the connect string"},
	{sasl.ErrUnreachable, "check the address of the KDC and the way to it"},
	{sasl.ErrServer, "check that the address is that of the server, and that the server has the same password or key for the client"},
	{context.DeadlineExceeded, "check what the mechanism waits for, or raise Config.HandshakeTimeout"},
}

// nameOf returns the name of a mechanism. Its code may be a user's and may panic.
func nameOf(m sasl.Mechanism) (name string) {
	defer func() {
		if recover() != nil {
			name = "(its Name panics)"
		}
	}()
	return m.Name()
}
