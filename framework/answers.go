package framework

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-zookeeper/zk"
)

// Codes with which servers answer.
const (
	codeUnimplemented    = -6 // the server does not know the operation
	codeTimedOut         = -7 // of a client in ZooKeeper; ClickHouse Keeper answers so
	codeBadArguments     = -8
	codeNoNode           = -101
	codeNoAuth           = -102
	codeBadVersion       = -103
	codeNoChildren       = -108 // an ephemeral node cannot have children
	codeNodeExists       = -110
	codeNotEmpty         = -111
	codeSessionExpired   = -112
	codeInvalidACL       = -114
	codeAuthFailed       = -115
	codeClosing          = -116
	codeSessionMoved     = -118
	codeNotReadOnly      = -119
	codeEphemeralOnLocal = -120
	codeRequestTimeout   = -122
	codeSASLRequired     = -124
	codeQuotaExceeded    = -125
	codeTooBusy          = -127 // the server has not even looked at the request

	unknownCode = "unknown error: " // how the driver begins the text of an error for a code that it does not know
)

// codeErrors are the errors of the codes that have one. The error of any other code is a text with the code in it.
var codeErrors = []struct {
	code int32
	err  error
}{
	{codeBadArguments, zk.ErrBadArguments}, {-100, zk.ErrAPIError}, {codeNoNode, zk.ErrNoNode}, {codeNoAuth, zk.ErrNoAuth},
	{codeBadVersion, zk.ErrBadVersion}, {codeNoChildren, zk.ErrNoChildrenForEphemerals}, {codeNodeExists, zk.ErrNodeExists},
	{codeNotEmpty, zk.ErrNotEmpty}, {codeSessionExpired, zk.ErrSessionExpired}, {codeInvalidACL, zk.ErrInvalidACL},
	{codeAuthFailed, zk.ErrAuthFailed}, {codeClosing, zk.ErrClosing}, {-117, zk.ErrNothing},
	{codeSessionMoved, zk.ErrSessionMoved}, {-123, zk.ErrReconfigDisabled}, {codeUnimplemented, ErrUnsupported},
	{codeNotReadOnly, ErrNotReadOnly}, {codeEphemeralOnLocal, ErrEphemeralOnLocalSession}, {codeRequestTimeout, ErrRequestTimeout}, {codeTimedOut, ErrRequestTimeout},
	{codeSASLRequired, ErrAuthRequired}, {codeQuotaExceeded, ErrQuotaExceeded}, {codeTooBusy, ErrThrottled},
}

// meaning is what an answer says about the operation that it answers.
type meaning int

const (
	saysNothing   meaning = iota // the operation may have been applied; this is the default
	saysApplied                  // the operation was applied
	saysUntouched                // the operation was not applied; the same request can succeed later
	saysRefused                  // the operation was not applied, and the answer is final
)

// refusals makes each of the codes a refusal.
func refusals(codes ...int32) map[int32]meaning {
	m := make(map[int32]meaning, len(codes))
	for _, code := range codes {
		m[code] = saysRefused
	}
	return m
}

// answers is the table of the answers that mean something, for each operation that changes something. A code that is missing
// says nothing: servers answer a write with such codes after they have lost track of it, and a code that no table knows can
// mean anything. Operations that are missing only read.
var answers = map[string]map[int32]meaning{
	"create": refusals(codeNoNode, codeNoAuth, codeNodeExists, codeNoChildren, codeInvalidACL),
	"set":    refusals(codeNoNode, codeNoAuth, codeBadVersion),
	"delete": refusals(codeNoNode, codeNoAuth, codeBadVersion, codeNotEmpty),
	"setACL": refusals(codeNoNode, codeNoAuth, codeBadVersion, codeInvalidACL),
	"check":  refusals(codeNoNode, codeNoAuth, codeBadVersion),
	"multi":  refusals(codeNoNode, codeNoAuth, codeBadVersion, codeNotEmpty, codeNodeExists, codeNoChildren, codeInvalidACL),
}

// commonAnswers is the part of the table that holds for every operation.
var commonAnswers = map[int32]meaning{
	0:                    saysApplied,
	codeUnimplemented:    saysRefused,
	codeBadArguments:     saysRefused,
	codeAuthFailed:       saysRefused,
	codeNotReadOnly:      saysRefused,
	codeEphemeralOnLocal: saysRefused,
	codeSASLRequired:     saysRefused,
	codeQuotaExceeded:    saysRefused,
	codeTooBusy:          saysUntouched,
}

// endsOfSession are the codes that say that the session is no longer served on this connection.
var endsOfSession = []int32{codeSessionExpired, codeClosing, codeSessionMoved}

// ownRefusals are the refusals that come from this side of the connection. Nothing was sent.
var ownRefusals = []error{zk.ErrInvalidPath, zk.ErrInvalidFlags, zk.ErrShortBuffer, ErrTooLarge, ErrUnsupported}

// maxOdd is how many answers that say nothing an operation gets before it is given up.
const maxOdd = 3

// oddAnswer marks an answer that is a refusal of other operations, and says nothing about this one.
type oddAnswer struct{ err error }

func (e *oddAnswer) Error() string { return e.err.Error() }
func (e *oddAnswer) Unwrap() error { return e.err }

// finalAnswer marks an error that ends an operation whatever its code is: it is known that nothing was applied.
type finalAnswer struct{ err error }

func (e *finalAnswer) Error() string { return e.err.Error() }
func (e *finalAnswer) Unwrap() error { return e.err }

// meaningOf returns what the error of a try says about the operation. It reads the table.
func meaningOf(op string, err error) meaning {
	var (
		final  *finalAnswer
		odd    *oddAnswer
		unsent *unsentError
		part   *MultiError
	)
	switch {
	case err == nil, errors.Is(err, errDeletedSince):
		return saysApplied
	case errors.Is(err, ErrOutcomeUnknown), errors.As(err, &odd):
		return saysNothing
	case errors.As(err, &unsent):
		return saysUntouched
	case errors.As(err, &final), slices.ContainsFunc(ownRefusals, func(own error) bool { return errors.Is(err, own) }):
		return saysRefused
	case errors.As(err, &part):
		op = part.Op
	}
	code, ok := codeOf(err)
	if !ok {
		return saysNothing
	}
	if m := commonAnswers[code]; m != saysNothing {
		return m
	}
	if changes(op) {
		return answers[op][code]
	}
	return answers["multi"][code]
}

// changes reports whether the operation of that name is more than a read.
func changes(op string) bool { return answers[op] != nil }

// isAnswer reports whether err is a refusal of some operation, or an answer that says that one was applied.
func isAnswer(err error) bool {
	m := meaningOf("", err)
	return m == saysRefused || m == saysApplied
}

// answerTo returns the error of a try of an operation, marked if it is a refusal that this operation cannot get.
func answerTo(op string, err error) error {
	if err == nil || outcomeOf(err) != answered || errors.Is(err, ErrOutcomeUnknown) || meaningOf(op, err) != saysNothing {
		return err
	}
	return &oddAnswer{err}
}

// isOdd reports whether err is a server's answer that says neither that the request was applied nor that it was not.
func isOdd(err error) bool {
	var odd *oddAnswer
	if errors.As(err, &odd) {
		return true
	}
	code, ok := codeOf(err)
	return ok && meaningOf("", err) == saysNothing && !slices.Contains(endsOfSession, code)
}

// isThrottled reports whether a server was too busy to look at the request.
func isThrottled(err error) bool {
	code, ok := codeOf(err)
	return ok && code == codeTooBusy
}

// isUnimplemented reports whether a server has answered that it does not know what it was asked.
func isUnimplemented(err error) bool {
	code, ok := codeOf(err)
	return ok && code == codeUnimplemented
}

// codeOf returns the code that a server has answered with.
func codeOf(err error) (code int32, ok bool) {
	if err == nil {
		return 0, false
	}
	for _, named := range codeErrors {
		if errors.Is(err, named.err) {
			return named.code, true
		}
	}
	text, ok := strings.CutPrefix(innermost(err).Error(), unknownCode)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 32)
	return int32(n), err == nil
}
