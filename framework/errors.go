package framework

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-zookeeper/zk"
)

// What the connection can do to an operation, or to a context that hangs on a session.
var (
	// ErrClosed says that the client was closed.
	ErrClosed = errors.New("client is closed")
	// ErrSessionLost says that the session ended: its ephemeral nodes and watches are gone or will be. A [Client]
	// continues with a new session; a [Session] does not come back.
	ErrSessionLost = errors.New("session is lost")
	// ErrSuspended is the cause of a context that was bound with [Cancel] for SUSPENDED: the connection broke.
	ErrSuspended = errors.New("connection is suspended")
	// ErrUntrusted is the cause of a claim's context when no answer has come for so long that the server may soon give
	// what is held to somebody else: TrustedUntil has passed, or the machine was asleep.
	ErrUntrusted = errors.New("no answer from the servers for too long to be sure of the session")
	// ErrOverstayed says that a function which is called while something is held goes on although its context has ended. A
	// recipe that reports it for too long is a reason to restart the process: see Client.Health.
	ErrOverstayed = errors.New("the function goes on although its context has ended")
	// ErrReleasing says that what was held is released, and that its clean-up is still running: the node is removed in the
	// background, and until then others may have to wait for it. The removal ends when it is done, when the servers end the
	// session, or when the client is closed. If ctx ended the wait, the error also matches the cause of ctx.
	ErrReleasing = errors.New("released; the clean-up is still running")
	// ErrNotConnected says that ctx, or Config.OperationTimeout, ended before there was a connection to send the
	// operation on. It was not sent, unless the error is ErrOutcomeUnknown too, or the operation is said to be Idempotent
	// and OpError.Attempts is not 0.
	ErrNotConnected = errors.New("not connected")
	// ErrOutcomeUnknown says that the operation was sent and that nobody can say whether it was applied. Read, then decide.
	ErrOutcomeUnknown = errors.New("outcome unknown: it was sent, but the answer was lost")
	// ErrUnsupported says that the servers do not know what was asked for: one has answered so (code -6, unimplemented), or
	// servers have closed the connection over it. See Capabilities in the package documentation. Nothing was applied.
	ErrUnsupported = errors.New("the servers do not know this kind of request")
	// ErrReplyRefused says that a server's answer was not accepted: it is longer than Config.MaxReplySize, or breaks the
	// protocol. It is not asked for again. The connection stays, unless the answer takes longer than T/3. A write
	// that is answered so is ErrOutcomeUnknown as well.
	ErrReplyRefused = errors.New("the server's answer is longer than MaxReplySize, or breaks the protocol")
	// ErrAuthRequired says that the servers do not look at operations of this client, because they demand an identity that
	// it does not present (error -124). See [AuthError].
	ErrAuthRequired = errors.New("the servers demand authentication")
	// ErrInvalidPath says that a path is not one that ZooKeeper can have. The error's text names the rule.
	ErrInvalidPath = zk.ErrInvalidPath
	// ErrTooLarge says that a request is larger than Config.MaxRequestSize, and was not sent, or larger than the servers
	// accept, which close the connection over it.
	ErrTooLarge = errors.New("request is too large")
)

// What a server answers. They are go-zookeeper's own values, so that errors.Is works with either name.
var (
	// ErrNoNode says that the node, or for a create its parent, does not exist.
	ErrNoNode = zk.ErrNoNode
	// ErrNodeExists says that the node exists already.
	ErrNodeExists = zk.ErrNodeExists
	// ErrBadVersion says that the node has another version than the operation asked for.
	ErrBadVersion = zk.ErrBadVersion
	// ErrNotEmpty says that a node with children cannot be deleted.
	ErrNotEmpty = zk.ErrNotEmpty
	// ErrNoAuth says that the node's ACL does not allow the operation to this client.
	ErrNoAuth = zk.ErrNoAuth
	// ErrAuthFailed says that a server refused an identity of the client, or that SASL failed. See [AuthError].
	ErrAuthFailed = zk.ErrAuthFailed
	// ErrInvalidACL says that the server does not accept the ACL.
	ErrInvalidACL = zk.ErrInvalidACL
	// ErrNoChildrenForEphemerals says that an ephemeral node cannot have children.
	ErrNoChildrenForEphemerals = zk.ErrNoChildrenForEphemerals
)

// What servers answer for reasons of their own. go-zookeeper has no names for these codes. The text of an error adds what to do.
var (
	// ErrNotReadOnly says that the server serves only reads, because it is not in touch with a majority of the ensemble (code -119).
	// The write was not applied. It succeeds when the client has found a server that is.
	ErrNotReadOnly = errors.New("the server serves only reads for now")
	// ErrEphemeralOnLocalSession says that the servers keep the session on one server only (localSessionsEnabled without
	// localSessionsUpgradingEnabled), where it cannot own ephemeral nodes (code -120). The create was not applied.
	ErrEphemeralOnLocalSession = errors.New("a local session cannot have ephemeral nodes")
	// ErrRequestTimeout says that the servers have given up a request that took them too long (codes -122 and -7). It can still be applied, so
	// a write is looked for as if its reply had been lost. If that does not decide, the error is [ErrOutcomeUnknown] as well.
	ErrRequestTimeout = errors.New("the servers gave up the request because it took too long")
	// ErrQuotaExceeded says that a create or set would exceed a hard limit of a quota (code -125), on servers with
	// enforceQuota. Nothing was applied. See [Client.Quota].
	ErrQuotaExceeded = errors.New("quota exceeded")
	// ErrThrottled says that the server is overloaded and has dropped the request without looking at it (code -127). Nothing was applied.
	// The client sends the request again after a pause of [Config.RetryPolicy], until the operation ends for another reason. So the
	// error only comes together with that reason.
	ErrThrottled = errors.New("the server is overloaded and has not looked at the request")
)

// OpError is the error of an operation.
type OpError struct {
	Op       string // "create", "get", ...
	Path     string // as the caller gave it
	Attempts int    // how often it was sent; 0 when it never was
	State    State  // the connection's state when the operation ended
	Err      error  // unwraps to one of the sentinels, or to the cause of the end of ctx

	unapplied bool // see SafeToRetry
}

// Error names the operation, the path, what happened and, where the connection had a part in it, its state.
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

// Settled is closed when nothing of the operation is under way any more. For most errors that is at once. An operation
// whose ctx ended while it was with the connection was left behind there, and may still be sent, until the reply comes or
// the link breaks. Whoever wants to know what became of it, or to undo it, waits for that and then looks.
func (e *OpError) Settled() <-chan struct{} {
	if left := leftBehind(e.Err); left != nil {
		return left
	}
	return settled
}

// settled is closed.
var settled = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// MultiError says which operation of a multi the server refused. Nothing of the multi was applied.
type MultiError struct {
	Index int    // position of the refused operation
	Op    string // "create", "set", "delete" or "check"
	Path  string // as the caller gave it
	Err   error  // the server's answer, one of the sentinels
}

// Error names the operation that was refused.
func (e *MultiError) Error() string {
	return fmt.Sprintf("operation %d (%s %s) was refused, nothing was applied: %v", e.Index, e.Op, e.Path, e.Err)
}

// Unwrap returns Err.
func (e *MultiError) Unwrap() error { return e.Err }

// outcome is what is known about a request after it was tried.
type outcome int

const (
	answered outcome = iota // the server answered, or the request was refused before it was sent: err is final
	notSent                 // certainly not applied, and worth another try
	unknown                 // may have been applied
	ended                   // the caller's ctx ended; may have been applied
)

// unsentError marks an error that came up before the request itself was handed to the connection.
type unsentError struct{ err error }

func (e *unsentError) Error() string { return e.err.Error() }
func (e *unsentError) Unwrap() error { return e.err }

// errNotAdmitted says that a connection or a session ended before the request was handed to it.
var errNotAdmitted = &unsentError{errors.New("the connection broke before the request was sent")}

// errCallEnded marks a call that was left because its ctx ended while the request was under way.
type errCallEnded struct {
	cause error
	done  <-chan struct{} // closed when the call that was left behind has returned
	late  func() error    // what it has returned, once done is closed
}

func (e *errCallEnded) Error() string { return e.cause.Error() }
func (e *errCallEnded) Unwrap() error { return e.cause }

// outcomeOf reads the error of a try. What is neither a refusal nor marked as unsent may have reached a server: an answer may be one of a
// server that has lost track of the request, so the doubt goes to the careful side.
func outcomeOf(err error) outcome {
	if err == nil {
		return answered // and nothing is allocated
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
	default: // an error of the socket: the request may have left in part or in whole; or an answer that says nothing
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

// endError is the end of a context with a cause that does not say how it ended.
type endError struct{ err, cause error }

func (e *endError) Error() string   { return fmt.Sprintf("%v: %v", e.err, e.cause) }
func (e *endError) Unwrap() []error { return []error{e.err, e.cause} }

// Is makes two errors of one context the same.
func (e *endError) Is(target error) bool {
	other, ok := target.(*endError)
	return ok && errors.Is(e.err, other.err) && errors.Is(e.cause, other.cause)
}

// ContextError returns why ctx has ended, or nil while it has not. The error matches the cause of ctx, and context.Canceled or
// context.DeadlineExceeded as well. It is what docent's calls return when the ctx that they were given ends.
func ContextError(ctx context.Context) error {
	cause := causeOf(ctx)
	if cause == nil {
		return nil
	}
	return alsoEnded(ctx, cause)
}

// alsoEnded adds to an error that says no more than the cause of ctx how ctx has ended.
func alsoEnded(ctx context.Context, err error) error {
	if errors.Is(err, context.Cause(ctx)) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return &endError{ctx.Err(), err}
	}
	return err
}

// causeOf gives the reason why ctx ended, or nil while it has not.
func causeOf(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil
	}
	return context.Cause(ctx)
}
