package sasl

import "errors"

// These are the kinds of failure of an exchange. An [Error] matches its kind with errors.Is.
var (
	// ErrCredentials says that the name, password or key is refused, or that the account is locked or expired.
	ErrCredentials = errors.New("the credentials are refused")
	// ErrExpired says that a ticket has expired and cannot be renewed.
	ErrExpired = errors.New("the ticket has expired")
	// ErrClockSkew says that the clocks of two machines differ by more than the mechanism allows.
	ErrClockSkew = errors.New("the clocks differ too much")
	// ErrUnknownServer says that the servers' own identity is not known to the authority that issues tickets.
	ErrUnknownServer = errors.New("the server's principal is unknown")
	// ErrUnreachable says that the authority that issues tickets does not answer.
	ErrUnreachable = errors.New("the KDC cannot be reached")
	// ErrConfiguration says that a file or an option of the client is missing or wrong.
	ErrConfiguration = errors.New("the configuration is wrong")
	// ErrRefused says that the server refused the exchange. ZooKeeper's servers give no reason; theirs is in their log.
	ErrRefused = errors.New("the server refuses the exchange")
	// ErrNotOffered says that the server takes no part in SASL.
	ErrNotOffered = errors.New("the server does not offer SASL")
	// ErrServer says that the server did not prove its own identity, or broke the protocol.
	ErrServer = errors.New("the server did not prove its identity")
)

// Error is a failure of an exchange. It matches its Kind and what Err matches. None of its fields holds a secret.
type Error struct {
	// Mechanism is the name of the mechanism, as "GSSAPI".
	Mechanism string
	// Kind is one of the errors of this package.
	Kind error
	// Err is the cause. It may be nil.
	Err error
	// Remedy says what to do. It may be empty.
	Remedy string
}

// Error returns mechanism, kind, cause and remedy in this order.
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

// Refusable is an [Exchange] that wants to know when the server ends it. Refused is called at most once, after the last call of
// Next, with the error that the client is about to report. It returns the error to report in its place.
type Refusable interface {
	Exchange
	Refused(err *Error) error
}
