package framework

import "errors"

// SafeToRetry reports whether err is the error of an operation that was certainly not applied, so that a second call cannot
// apply it a second time. When that is not certain, SafeToRetry returns false. It asks no server.
//
//	error of a write                                      SafeToRetry
//	ErrOutcomeUnknown                                     false
//	refused by the server (ErrNoNode, ErrBadVersion, ...) true
//	refused before it was sent (ErrInvalidPath, ...)      true
//	ErrNotConnected, ErrSessionLost, ErrClosed, or the
//	  end of ctx, and no try of it was sent               true
//	the end of ctx while it waited for the reply          false
//	an answer that its operation cannot have              false
//	Idempotent, and the reply to an earlier try was lost  false
//	Create, and the reply to an earlier try was lost:
//	  somebody may have deleted the node since            false
//	Create, and the node was deleted before it was read   false
//
// Every error of a read is safe, because a read changes nothing. That a retry is safe does not mean that it can succeed:
// ErrBadVersion stays ErrBadVersion until the caller has read the node again.
//
// An error of a recipe is judged by the operations that it wraps, all of which must be safe. It says nothing about what the
// recipe did before them. SafeToRetry returns false for nil and for an error that wraps no [OpError] of this package's making.
func SafeToRetry(err error) bool {
	found, safe := false, true
	walk(err, func(e error) {
		op, ok := e.(*OpError) //nolint:errorlint // each error of the tree is looked at
		switch {
		case ok:
			found = true
			safe = safe && op.unapplied
		case e == ErrOutcomeUnknown, e == ErrReleasing: //nolint:errorlint // as above
			safe = false
		}
	})
	return found && safe
}

// walk calls f for err and for every error that it wraps.
func walk(err error, f func(error)) {
	for err != nil {
		f(err)
		if list, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // as in errors.Is
			for _, e := range list.Unwrap() {
				walk(e, f)
			}
			return
		}
		err = errors.Unwrap(err)
	}
}

// failUnsent returns the error of an operation that is not sent because of err.
func (o *ops) failUnsent(op, path string, err error) *OpError {
	return &OpError{Op: op, Path: path, State: o.core.gate.Load().State, Err: err, unapplied: true}
}

// unapplied reports whether the operation, which ends with err, was certainly not applied. answered says that err is the answer
// to the latest try.
func (a *attempt) unapplied(err error, answered bool) bool {
	switch {
	case !changes(a.op):
		return true
	case a.doubt, a.mayBeApplied, a.inParts, errors.Is(err, ErrOutcomeUnknown):
		return false
	case answered:
		m := meaningOf(a.op, err)
		return m == saysRefused || m == saysUntouched
	}
	return true
}
