package framework

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/go-zookeeper/zk"
)

// Error codes of server replies.
const (
	codeUnimplemented    = -6 // the server does not know the operation
	codeTimedOut         = -7 // sent by ClickHouse Keeper; ZooKeeper has it in its client only
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
	codeTooBusy          = -127 // the server has not processed the request

	unknownCode = "unknown error: " // the driver's error text for a code that it does not know begins like this
)

// codeErrors maps codes to errors. The error for any other code is a text that contains the code.
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

// meaning is what a reply says about the outcome of its operation.
type meaning int

const (
	saysNothing   meaning = iota // the operation may have been applied; this is the default
	saysApplied                  // the operation was applied
	saysUntouched                // the operation was not applied; the same request can succeed later
	saysRefused                  // the operation was not applied, and retrying it does not help
)

// refusals makes each of the codes a refusal.
func refusals(codes ...int32) map[int32]meaning {
	m := make(map[int32]meaning, len(codes))
	for _, code := range codes {
		m[code] = saysRefused
	}
	return m
}

// answers lists, for each operation that writes, the codes that say something about its outcome. A code that is not
// listed says nothing: servers reply to a write with such codes after they have lost track of it, and an unknown code
// can mean anything. Operations that are not listed only read.
var answers = map[string]map[int32]meaning{
	"create": refusals(codeNoNode, codeNoAuth, codeNodeExists, codeNoChildren, codeInvalidACL),
	"set":    refusals(codeNoNode, codeNoAuth, codeBadVersion),
	"delete": refusals(codeNoNode, codeNoAuth, codeBadVersion, codeNotEmpty),
	"setACL": refusals(codeNoNode, codeNoAuth, codeBadVersion, codeInvalidACL),
	"check":  refusals(codeNoNode, codeNoAuth, codeBadVersion),
	"multi":  refusals(codeNoNode, codeNoAuth, codeBadVersion, codeNotEmpty, codeNodeExists, codeNoChildren, codeInvalidACL),
}

// commonAnswers applies to every operation.
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

// endsOfSession are the codes that mean that the session is no longer served on this connection.
var endsOfSession = []int32{codeSessionExpired, codeClosing, codeSessionMoved}

// ownRefusals are errors of the client itself. Nothing was sent.
var ownRefusals = []error{zk.ErrInvalidPath, zk.ErrInvalidFlags, zk.ErrShortBuffer, ErrTooLarge, ErrUnsupported}

// maxOdd is how many replies without a known meaning an operation gets before it fails.
const maxOdd = 3

// oddAnswer marks a reply that would be a refusal of another operation, and has no known meaning for this one.
type oddAnswer struct{ err error }

func (e *oddAnswer) Error() string { return e.err.Error() }
func (e *oddAnswer) Unwrap() error { return e.err }

// finalAnswer marks an error that ends an operation, whatever its code: nothing was applied.
type finalAnswer struct{ err error }

func (e *finalAnswer) Error() string { return e.err.Error() }
func (e *finalAnswer) Unwrap() error { return e.err }

// meaningOf returns what the error of an attempt says about the operation's outcome.
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

// changes reports whether the operation of that name writes.
func changes(op string) bool { return answers[op] != nil }

// isAnswer reports whether err is a server's refusal, or a reply that says that the operation was applied.
func isAnswer(err error) bool {
	m := meaningOf("", err)
	return m == saysRefused || m == saysApplied
}

// answerTo returns the error of an attempt. It is marked if it is a refusal that this operation cannot get.
func answerTo(op string, err error) error {
	if err == nil || outcomeOf(err) != answered || errors.Is(err, ErrOutcomeUnknown) || meaningOf(op, err) != saysNothing {
		return err
	}
	return &oddAnswer{err}
}

// isOdd reports whether err is a server's reply that leaves open whether the request was applied.
func isOdd(err error) bool {
	var odd *oddAnswer
	if errors.As(err, &odd) {
		return true
	}
	code, ok := codeOf(err)
	return ok && meaningOf("", err) == saysNothing && !slices.Contains(endsOfSession, code)
}

// isThrottled reports whether a server was too busy to process the request.
func isThrottled(err error) bool {
	code, ok := codeOf(err)
	return ok && code == codeTooBusy
}

// isUnimplemented reports whether a server has replied that it does not know the operation.
func isUnimplemented(err error) bool {
	code, ok := codeOf(err)
	return ok && code == codeUnimplemented
}

// codeOf returns the error code of a server's reply.
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
