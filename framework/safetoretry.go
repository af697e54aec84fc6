package framework

import "errors"

// SafeToRetry reports whether err is the error of an operation that was certainly not applied, so that a second call
// cannot apply it twice. If this is not certain, SafeToRetry returns false. It sends no request.
//
//	error of a write                                      SafeToRetry
//	ErrOutcomeUnknown                                     false
//	refused by the server (ErrNoNode, ErrBadVersion, ...) true
//	refused before it was sent (ErrInvalidPath, ...)      true
//	ErrNotConnected, ErrSessionLost, ErrClosed, or the
//	  end of ctx, and it was never sent                   true
//	the end of ctx while it waited for the reply          false
//	a reply that its operation cannot have                false
//	Idempotent, and the reply to an earlier attempt
//	  was lost                                            false
//	Create, and the reply to an earlier attempt was lost:
//	  the node may have been deleted since                false
//	Create, and the node was deleted before it was read   false
//
// Every error of a read is safe, because a read changes nothing. A safe retry need not succeed: ErrBadVersion remains
// until the caller has read the node again.
//
// The error of a recipe is safe if all operations that it wraps are. This says nothing about what the recipe did before
// them. SafeToRetry returns false for nil and for an error that does not wrap an [OpError] of this package.
func SafeToRetry(err error) bool {
	found, safe := false, true
	walk(err, func(e error) {
		op, ok := e.(*OpError) //nolint:errorlint // each error of the tree is checked
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

// failUnsent returns the error of an operation that was not sent because of err.
func (o *ops) failUnsent(op, path string, err error) *OpError {
	return &OpError{Op: op, Path: path, State: o.core.gate.Load().State, Err: err, unapplied: true}
}

// unapplied reports whether the operation, which ends with err, was certainly not applied. answered means that err is
// the reply to the last attempt.
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
