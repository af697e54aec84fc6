package framework

import (
	"errors"
	"fmt"
	"strings"
)

// explainedError is a server's reply with an explanation for the caller.
type explainedError struct {
	err  error
	text string
}

func (e *explainedError) Error() string { return fmt.Sprintf("%v: %s", e.err, e.text) }
func (e *explainedError) Unwrap() error { return e.err }

// explain adds to the reply what the server leaves out: the node that is affected, and the client's identity.
func (c *core) explain(op, path string, err error) error {
	var done *explainedError
	parent, _ := Split(path)
	switch {
	case errors.As(err, &done):
	case errors.Is(err, ErrNoAuth) && (op == "create" || op == "delete"):
		return &explainedError{err, fmt.Sprintf("the ACL of the parent %s does not allow it to %s", parent, c.who())}
	case errors.Is(err, ErrNoAuth):
		return &explainedError{err, fmt.Sprintf("the ACL of %s does not allow it to %s", path, c.who())}
	case errors.Is(err, ErrAuthRequired):
		if refused := c.identities.failed(); errors.Is(refused, ErrAuthRequired) {
			return refused
		}
	case errors.Is(err, ErrNoNode) && op == "create":
		return &explainedError{err, fmt.Sprintf("the parent %s does not exist; create it, or pass framework.Parents to Create", parent)}
	}
	return advised(err)
}

// advice says what to do about replies that do not concern a node.
var advice = []struct {
	err  error
	text string
}{
	{ErrNotReadOnly, "it has lost contact with the majority of the ensemble; repeat the write when the client is connected to another server"},
	{ErrEphemeralOnLocalSession, "the ensemble has localSessionsEnabled; set localSessionsUpgradingEnabled on its servers as well"},
	{ErrRequestTimeout, "it may still be applied; read before you repeat it"},
	{ErrQuotaExceeded, "a hard limit of the node, or of a node above it, would be exceeded; delete nodes, or raise the limit (Client.Quota shows it, Client.SetQuota sets it)"},
	{ErrThrottled, "repeat it later, or give the servers more room (throttled_op_wait_time)"},
}

// advised adds what to do to err, if advice has it.
func advised(err error) error {
	var done *explainedError
	if errors.As(err, &done) {
		return err
	}
	for _, a := range advice {
		if errors.Is(err, a.err) {
			return &explainedError{err, a.text}
		}
	}
	return err
}

// who describes the client, without secrets.
func (c *core) who() string {
	list := c.identities.describe()
	if c.cfg.SASL != nil {
		list = append(list, "SASL "+nameOf(c.cfg.SASL))
	}
	if len(list) == 0 {
		return "a client without an identity (Config.Auth is empty)"
	}
	return strings.Join(list, ", ")
}
