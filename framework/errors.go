package framework

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-zookeeper/zk"
)

// Errors of an operation, and causes of a context that depends on a session.
var (
	// ErrClosed means that the client has been closed.
	ErrClosed = errors.New("client is closed")
	// ErrSessionLost means that the session has ended: its ephemeral nodes and watches are gone or will be. A [Client]
	// continues with a new session. A [Session] has ended for good.
	ErrSessionLost = errors.New("session is lost")
	// ErrSuspended is the cause of a context with the policy [Cancel] for SUSPENDED: the connection broke.
	ErrSuspended = errors.New("connection is suspended")
	// ErrUntrusted is the cause of a claim's context when the servers have not replied for so long that they may soon
	// grant the claim to another client: TrustedUntil has passed, or the machine was suspended.
	ErrUntrusted = errors.New("the servers have not replied for too long to rely on the session")
	// ErrOverstayed means that a function, called while something was held, is still running although its context has
	// ended. If a recipe reports this for too long, restart the process: see Client.Health.
	ErrOverstayed = errors.New("the function is still running although its context has ended")
	// ErrReleasing means that a claim has been released, but that its node is still being removed in the background.
	// Until then, others may have to wait for it. The removal ends when it succeeds, when the session ends, or when the
	// client is closed. If ctx ended first, the error also matches the cause of ctx.
	ErrReleasing = errors.New("released; the clean-up is still running")
	// ErrNotConnected means that ctx, or Config.OperationTimeout, ended before there was a connection. The operation
	// was not sent, unless the error also is ErrOutcomeUnknown, or the operation is Idempotent and OpError.Attempts is
	// not 0.
	ErrNotConnected = errors.New("not connected")
	// ErrOutcomeUnknown means that the operation was sent and its reply was lost, so it may or may not have been
	// applied. Read the data to find out.
	ErrOutcomeUnknown = errors.New("outcome unknown: it was sent, but the reply was lost")
	// ErrUnsupported means that the servers do not support the request: one has replied so (code -6, unimplemented), or
	// servers have closed the connection because of it. See Capabilities in the package documentation. Nothing was
	// applied.
	ErrUnsupported = errors.New("the servers do not support this kind of request")
	// ErrReplyRefused means that the client did not accept a reply: it is longer than Config.MaxReplySize, or violates
	// the protocol. The operation is not retried. A write is ErrOutcomeUnknown as well. The connection stays open,
	// unless the reply takes longer than T/3.
	ErrReplyRefused = errors.New("the server's reply is longer than MaxReplySize, or violates the protocol")
	// ErrAuthRequired means that the servers do not process operations of this client, because they require an identity
	// that it does not present (error -124). See [AuthError].
	ErrAuthRequired = errors.New("the servers require authentication")
	// ErrInvalidPath means that ZooKeeper does not allow such a path. The error's text names the rule.
	ErrInvalidPath = zk.ErrInvalidPath
	// ErrTooLarge means that a request exceeds Config.MaxRequestSize and was not sent, or that it exceeds the servers'
	// limit and they closed the connection.
	ErrTooLarge = errors.New("request is too large")
)

// Replies of the servers. They are go-zookeeper's values, so errors.Is works with either name.
var (
	// ErrNoNode means that the node does not exist; for a create, that its parent does not exist.
	ErrNoNode = zk.ErrNoNode
	// ErrNodeExists means that the node already exists.
	ErrNodeExists = zk.ErrNodeExists
	// ErrBadVersion means that the node's version is not the one that the operation requires.
	ErrBadVersion = zk.ErrBadVersion
	// ErrNotEmpty means that a node cannot be deleted because it has children.
	ErrNotEmpty = zk.ErrNotEmpty
	// ErrNoAuth means that the node's ACL does not allow this client to do the operation.
	ErrNoAuth = zk.ErrNoAuth
	// ErrAuthFailed means that a server refused an identity of the client, or that SASL failed. See [AuthError].
	ErrAuthFailed = zk.ErrAuthFailed
	// ErrInvalidACL means that the server does not accept the ACL.
	ErrInvalidACL = zk.ErrInvalidACL
	// ErrNoChildrenForEphemerals means that the parent is ephemeral, and ephemeral nodes cannot have children.
	ErrNoChildrenForEphemerals = zk.ErrNoChildrenForEphemerals
)

// Further replies of the servers, for which go-zookeeper has no names. The text of the error says what to do.
var (
	// ErrNotReadOnly means that the server serves only reads, because it has lost contact with the majority of its
	// ensemble (code -119). The write was not applied. It succeeds once the client has found another server.
	ErrNotReadOnly = errors.New("the server serves only reads for now")
	// ErrEphemeralOnLocalSession means that the session is local to one server (localSessionsEnabled without
	// localSessionsUpgradingEnabled), where it cannot own ephemeral nodes (code -120). The create was not applied.
	ErrEphemeralOnLocalSession = errors.New("a local session cannot have ephemeral nodes")
	// ErrRequestTimeout means that the servers dropped a request that took too long (codes -122 and -7). They may still
	// apply it, so docent checks a write as if its reply had been lost. If that does not show the outcome, the error is
	// [ErrOutcomeUnknown] as well.
	ErrRequestTimeout = errors.New("the servers dropped the request because it took too long")
	// ErrQuotaExceeded means that a create or set would exceed a hard limit of a quota (code -125), on servers with
	// enforceQuota. Nothing was applied. See [Client.Quota].
	ErrQuotaExceeded = errors.New("quota exceeded")
	// ErrThrottled means that the server is overloaded and dropped the request without processing it (code -127).
	// Nothing was applied. The client retries the request after a pause of [Config.RetryPolicy]. So the error is only
	// returned together with the reason why the operation ended.
	ErrThrottled = errors.New("the server is overloaded and has not processed the request")
)

// OpError is the error of an operation.
type OpError struct {
	Op       string // "create", "get", ...
	Path     string // as given by the caller
	Attempts int    // how often it was sent; 0 if never
	State    State  // the connection's state when the operation ended
	Err      error  // matches one of the sentinels, or the cause of ctx

	unapplied bool // see SafeToRetry
}

// Error names the operation, the path and what happened. If the connection was involved, it also names its state.
func (e *OpError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "zookeeper: %s %s: %v", e.Op, e.Path, e.Err)
	switch {
	case e.Attempts > 1:
		fmt.Fprintf(&b, " (after %d attempts; connection is %s)", e.Attempts, e.State)
	case !e.State.Connected():
		fmt.Fprintf(&b, " (connection is %s)", e.State)
	}
	return b.String()
}

// Unwrap returns Err.
func (e *OpError) Unwrap() error { return e.Err }

// Settled returns a channel that is closed when no request of the operation is pending any more. For most errors, it is
// closed at once. But if ctx ended while a request was pending, the request may still be applied until its reply
// arrives or the connection breaks. To find out whether it was, or to undo it, wait for Settled and then read.
func (e *OpError) Settled() <-chan struct{} {
	if left := leftBehind(e.Err); left != nil {
		return left
	}
	return settled
}

// settled is a closed channel.
var settled = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// MultiError says which operation of a multi the server refused. Nothing of the multi was applied.
type MultiError struct {
	Index int    // index of the refused operation
	Op    string // "create", "set", "delete" or "check"
	Path  string // as given by the caller
	Err   error  // the server's reply: one of the sentinels
}

// Error names the refused operation.
func (e *MultiError) Error() string {
	return fmt.Sprintf("operation %d (%s %s) was refused, nothing was applied: %v", e.Index, e.Op, e.Path, e.Err)
}

// Unwrap returns Err.
func (e *MultiError) Unwrap() error { return e.Err }

// outcome is what is known about a request after an attempt.
type outcome int

const (
	answered outcome = iota // the server replied, or the request was refused before it was sent: err is final
	notSent                 // certainly not applied; can be retried
	unknown                 // may have been applied
	ended                   // the caller's ctx ended; may have been applied
)

// unsentError marks an error that occurred before the request was passed to the connection.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }
func (e *unsentError) Unwrap() error { return e.err }

// errNotAdmitted means that a connection or session ended before the request was passed to it.
var errNotAdmitted = &unsentError{errors.New("the connection broke before the request was sent")}

// errCallEnded marks a call whose ctx ended while the request was pending.
type errCallEnded struct {
	cause error
	done  <-chan struct{} // closed when the pending call has returned
	late  func() error    // what it returned, once done is closed
}

func (e *errCallEnded) Error() string { return e.cause.Error() }
func (e *errCallEnded) Unwrap() error { return e.cause }

// outcomeOf returns what the error of an attempt says about its outcome. If the error is neither a refusal nor marked
// as unsent, the request may have reached a server: even a reply may come from a server that has lost track of the
// request. In doubt the outcome is unknown.
func outcomeOf(err error) outcome {
	if err == nil {
		return answered // without an allocation
	}
	return outcomeOfError(err)
}

func outcomeOfError(err error) outcome {
	var left *errCallEnded
	var unsent *unsentError
	switch {
	case errors.Is(err, ErrOutcomeUnknown):
		return answered
	case errors.As(err, &unsent), isThrottled(err):
		return notSent
	case errors.As(err, &left):
		return ended
	case errors.Is(err, zk.ErrConnectionClosed), errors.Is(err, zk.ErrClosing), errors.Is(err, zk.ErrSessionExpired), errors.Is(err, zk.ErrSessionMoved):
		return unknown
	case isAnswer(err):
		return answered
	default: // an error of the socket: the request may have been sent in part or completely; or a reply that says nothing
		return unknown
	}
}

func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// endError is the error of a context whose cause does not say how it ended.
type endError struct{ err, cause error }

func (e *endError) Error() string   { return fmt.Sprintf("%v: %v", e.err, e.cause) }
func (e *endError) Unwrap() []error { return []error{e.err, e.cause} }

// Is makes two errors of the same context equal.
func (e *endError) Is(target error) bool {
	other, ok := target.(*endError)
	return ok && errors.Is(e.err, other.err) && errors.Is(e.cause, other.cause)
}

// ContextError returns why ctx has ended, or nil while it has not. The error matches the cause of ctx, and also
// context.Canceled or context.DeadlineExceeded. docent's calls return it when their ctx ends.
func ContextError(ctx context.Context) error {
	cause := causeOf(ctx)
	if cause == nil {
		return nil
	}
	return alsoEnded(ctx, cause)
}

// alsoEnded adds how ctx has ended to an error that only has its cause.
func alsoEnded(ctx context.Context, err error) error {
	if errors.Is(err, context.Cause(ctx)) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return &endError{ctx.Err(), err}
	}
	return err
}

// causeOf returns why ctx has ended, or nil while it has not.
func causeOf(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
