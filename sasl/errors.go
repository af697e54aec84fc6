package sasl

import "errors"

// Kinds of failures of an exchange. An [Error] matches its kind with errors.Is.
var (
	// ErrCredentials means that the name, password or key was refused, or that the account is locked or expired.
	ErrCredentials = errors.New("the credentials are refused")
	// ErrExpired means that a ticket has expired and cannot be renewed.
	ErrExpired = errors.New("the ticket has expired")
	// ErrClockSkew means that the clocks of two machines differ by more than the mechanism allows.
	ErrClockSkew = errors.New("the clocks differ too much")
	// ErrUnknownServer means that the KDC does not know the servers' principal.
	ErrUnknownServer = errors.New("the server's principal is unknown")
	// ErrUnreachable means that the KDC does not answer.
	ErrUnreachable = errors.New("the KDC cannot be reached")
	// ErrConfiguration means that a file or an option of the client is missing or wrong.
	ErrConfiguration = errors.New("the configuration is wrong")
	// ErrRefused means that the server refused the exchange. ZooKeeper's servers give no reason, but log it.
	ErrRefused = errors.New("the server refuses the exchange")
	// ErrNotOffered means that the server does not support SASL.
	ErrNotOffered = errors.New("the server does not offer SASL")
	// ErrServer means that the server did not prove its identity, or violated the protocol.
	ErrServer = errors.New("the server did not prove its identity")
)

// Error is a failure of an exchange. It matches its Kind and what Err matches. It never contains a secret.
type Error struct {
	// Mechanism is the name of the mechanism, such as "GSSAPI".
	Mechanism string
	// Kind is one of the errors of this package.
	Kind error
	// Err is the cause. It may be nil.
	Err error
	// Remedy says what to do. It may be empty.
	Remedy string
}

// Error returns mechanism, kind, cause and remedy, in this order.
func (e *Error) Error() string {
	text := e.Mechanism + ": " + e.Kind.Error()
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Remedy != "" {
		text += "; " + e.Remedy
	}
	return text
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Refusable is an [Exchange] that is told when the server ends it. Refused is called at most once, after the last call
// of Next, with the error that the client is about to report. It returns the error to report instead.
type Refusable interface {
	Exchange
	Refused(err *Error) error
}
