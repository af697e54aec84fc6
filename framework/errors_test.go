package framework

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOutcomes(t *testing.T) {
	left := &errCallEnded{cause: context.Canceled}
	for _, c := range []struct {
		err  error
		want outcome
	}{
		{nil, answered},
		{zk.ErrNoNode, answered},
		{fmt.Errorf("parent: %w", zk.ErrNoAuth), answered},
		{ErrTooLarge, answered},
		{errors.New("unknown error: -125"), answered},
		{&MultiError{Err: errors.New("unknown error: -125")}, answered},
		{&MultiError{Err: zk.ErrBadVersion}, answered},
		{fmt.Errorf("%w: %w", ErrOutcomeUnknown, zk.ErrConnectionClosed), answered},
		{errNotAdmitted, notSent},
		{&unsentError{zk.ErrConnectionClosed}, notSent},
		{&unsentError{left}, notSent},
		{errors.New("unknown error: -127"), notSent}, // the server throttles
		{zk.ErrConnectionClosed, unknown},
		{zk.ErrClosing, unknown},
		{zk.ErrSessionExpired, unknown},
		{zk.ErrSessionMoved, unknown},
		{errors.New("write: broken pipe"), unknown},
		{context.Canceled, unknown},
		{left, ended},
		{fmt.Errorf("with text: %w", left), ended},
	} {
		assert.Equal(t, c.want, outcomeOf(c.err), "%v", c.err)
	}
}

func TestSentinelsAreTheDrivers(t *testing.T) {
	for ours, theirs := range map[error]error{
		ErrNoNode: zk.ErrNoNode, ErrNodeExists: zk.ErrNodeExists, ErrBadVersion: zk.ErrBadVersion, ErrNotEmpty: zk.ErrNotEmpty,
		ErrNoAuth: zk.ErrNoAuth, ErrAuthFailed: zk.ErrAuthFailed, ErrInvalidACL: zk.ErrInvalidACL, ErrInvalidPath: zk.ErrInvalidPath,
		ErrNoChildrenForEphemerals: zk.ErrNoChildrenForEphemerals,
	} {
		assert.Equal(t, theirs, ours)
	}
}

func TestOpErrorText(t *testing.T) {
	for want, err := range map[string]*OpError{
		"zookeeper: get /a: zk: node does not exist":                                       {Op: "get", Path: "/a", Attempts: 1, State: Connected, Err: ErrNoNode},
		"zookeeper: set /a: given up (after 3 attempts; connection is Reconnected)":        {Op: "set", Path: "/a", Attempts: 3, State: Reconnected, Err: errors.New("given up")},
		"zookeeper: delete /a: not connected (connection is Suspended)":                    {Op: "delete", Path: "/a", State: Suspended, Err: ErrNotConnected},
		"zookeeper: multi (no operations): client is closed (connection is Closed)":        {Op: "multi", Path: "(no operations)", Attempts: 1, State: Closed, Err: ErrClosed},
		"zookeeper: create /a: not connected (after 2 attempts; connection is Connecting)": {Op: "create", Path: "/a", Attempts: 2, Err: ErrNotConnected},
	} {
		assert.EqualError(t, err, want)
		assert.Equal(t, err.Err, errors.Unwrap(err))
	}
	multi := &MultiError{Index: 2, Op: "check", Path: "/x", Err: ErrBadVersion}
	require.EqualError(t, multi, "operation 2 (check /x) was refused, nothing was applied: zk: version conflict")
	require.ErrorIs(t, multi, zk.ErrBadVersion)
}

func TestNotConnectedSaysWhy(t *testing.T) {
	c := &core{}
	c.identities.init(nil, nil)
	err := c.notConnected(context.DeadlineExceeded)
	require.EqualError(t, err, "not connected: context deadline exceeded")
	c.lastDial = errors.New("dial zk1: refused")
	err = c.notConnected(context.DeadlineExceeded)
	require.EqualError(t, err, "not connected: context deadline exceeded; last attempt: dial zk1: refused")
	c.identities.failure.Store(rejected("x", "zk1:2181"))
	err = c.blame(c.notConnected(context.DeadlineExceeded))
	for _, target := range []error{ErrNotConnected, context.DeadlineExceeded, ErrAuthFailed} {
		require.ErrorIs(t, err, target)
	}
	c.dialled(nil)
	require.EqualError(t, c.notConnected(context.Canceled), "not connected: context canceled")
}
