package framework

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// explainedError is a server's answer with what a caller needs to know to put it right.
type explainedError struct {
	err  error
	text string
}

func (e *explainedError) Error() string { return fmt.Sprintf("%v: %s", e.err, e.text) }
func (e *explainedError) Unwrap() error { return e.err }

// explain adds to the answer to an operation on path what the server does not say: which node is meant, and who was refused.
func (c *core) explain(op, path string, err error) error {
	var done *explainedError
	parent, _ := Split(path)
	switch {
	case errors.As(err, &done):
	case errors.Is(err, ErrNoAuth) && (op == "create" || op == "delete"):
		return &explainedError{err, fmt.Sprintf("the ACL of the parent %s does not allow it to %s", parent, c.cfg.identities())}
	case errors.Is(err, ErrNoAuth):
		return &explainedError{err, fmt.Sprintf("the ACL of %s does not allow it to %s", path, c.cfg.identities())}
	case errors.Is(err, ErrNoNode) && op == "create":
		return &explainedError{err, fmt.Sprintf("the parent %s does not exist; create it, or pass framework.Parents to Create", parent)}
	}
	return err
}

// identities describes who the client is, without secrets.
func (c *Config) identities() string {
	if len(c.Auth) == 0 {
		return "a client without an identity (Config.Auth is empty)"
	}
	list := make([]string, len(c.Auth))
	for i, a := range c.Auth {
		list[i] = fmt.Sprintf("scheme %q", a.Scheme)
		if user, _, ok := bytes.Cut(a.Credentials, []byte(":")); ok && a.Scheme == "digest" {
			list[i] = fmt.Sprintf("digest user %q", user)
		}
	}
	return strings.Join(list, ", ")
}
