package framework

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-zookeeper/zk"
)

// Error codes of servers that go-zookeeper has no name for.
const (
	codeUnimplemented    = -6   // the server does not know the operation
	codeNotReadOnly      = -119 // the server only serves reads for now
	codeEphemeralOnLocal = -120 // a local session cannot have ephemeral nodes
	codeSASLRequired     = -124 // the session has to authenticate first
	codeQuotaExceeded    = -125
	codeTooBusy          = -127 // the server has not even looked at the request

	unknownCode = "unknown error: " // how the driver begins the text of these
)

// refusals are the answers that say for certain that an operation was not applied. A write that is answered in any other way
// may have been applied: servers answer so when they have lost track of it, and a code that is in no table can mean anything.
var refusals = map[string][]error{
	"create": {ErrNoNode, ErrNoAuth, ErrNodeExists, ErrNoChildrenForEphemerals, ErrInvalidACL},
	"set":    {ErrNoNode, ErrNoAuth, ErrBadVersion},
	"delete": {ErrNoNode, ErrNoAuth, ErrBadVersion, ErrNotEmpty},
	"setACL": {ErrNoNode, ErrNoAuth, ErrBadVersion, ErrInvalidACL},
	"check":  {ErrNoNode, ErrNoAuth, ErrBadVersion},
	"multi":  {ErrNoNode, ErrNoAuth, ErrBadVersion, ErrNotEmpty, ErrNodeExists, ErrNoChildrenForEphemerals, ErrInvalidACL},
}

// always are the refusals of every operation. The latter ones come from this side of the connection: nothing was sent.
var always = []error{
	zk.ErrAuthFailed, zk.ErrBadArguments,
	zk.ErrInvalidPath, zk.ErrInvalidFlags, zk.ErrShortBuffer, ErrTooLarge, ErrUnsupported,
}

// alwaysCodes are those among them that the driver has no name for.
var alwaysCodes = []int32{codeUnimplemented, codeNotReadOnly, codeEphemeralOnLocal, codeSASLRequired, codeQuotaExceeded}

// maxOdd is how many answers that say neither yes nor no an operation gets before it is given up.
const maxOdd = 3

// oddAnswer marks an answer that is a refusal of other operations, and says nothing about this one.
type oddAnswer struct{ err error }

func (e *oddAnswer) Error() string { return e.err.Error() }
func (e *oddAnswer) Unwrap() error { return e.err }

// finalAnswer marks an error that ends an operation whatever its code is: it is known that nothing was applied.
type finalAnswer struct{ err error }

func (e *finalAnswer) Error() string { return e.err.Error() }
func (e *finalAnswer) Unwrap() error { return e.err }

// isAnswer reports whether err is the answer of a server that has refused the request, or says that it never left.
func isAnswer(err error) bool {
	var final *finalAnswer
	var odd *oddAnswer
	switch {
	case errors.As(err, &final):
		return true
	case errors.As(err, &odd):
		return false
	}
	code, ok := codeOf(err)
	return slices.ContainsFunc(refusals["multi"], is(err)) || slices.ContainsFunc(always, is(err)) || ok && slices.Contains(alwaysCodes, code)
}

func is(err error) func(error) bool { return func(target error) bool { return errors.Is(err, target) } }

// answerTo returns the error of a try of an operation, marked if it is a refusal that this operation cannot get.
func answerTo(op string, err error) error {
	var part *MultiError
	if errors.As(err, &part) {
		op = part.Op
	}
	list, writes := refusals[op]
	if err == nil || !writes || outcomeOf(err) != answered || errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	if !slices.ContainsFunc(refusals["multi"], is(err)) || slices.ContainsFunc(list, is(err)) {
		return err
	}
	return &oddAnswer{err}
}

// isOdd reports whether err is a server's answer that says neither that the request was applied nor that it was not. That of a
// server that was too busy is none: it has not looked.
func isOdd(err error) bool {
	var odd *oddAnswer
	if errors.As(err, &odd) || errors.Is(err, zk.ErrAPIError) || errors.Is(err, zk.ErrNothing) {
		return true
	}
	code, ok := codeOf(err)
	return ok && code != codeTooBusy && !slices.Contains(alwaysCodes, code)
}

// isThrottled reports whether a server was too busy to look at the request.
func isThrottled(err error) bool {
	code, ok := codeOf(err)
	return ok && code == codeTooBusy
}

// codeOf returns the code in an error that the driver has made of one that it does not know.
func codeOf(err error) (code int32, ok bool) {
	if err == nil {
		return 0, false
	}
	text, ok := strings.CutPrefix(innermost(err).Error(), unknownCode)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err == nil
}
