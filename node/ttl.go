package node

import (
	"errors"
	"time"

	"github.com/docent-zk/docent/framework"
)

// touchPath returns the node whose TTL keeps a container from being removed.
func (s *spec) touchPath() string { return framework.Join(s.path, "touch") }

// renewal returns a channel that receives when the TTL is to be renewed; never without one.
func (t *tenure) renewal() (due <-chan time.Time, stop func() bool) {
	if !t.spec.lasting {
		return nil, func() bool { return true }
	}
	timer := time.NewTimer(t.spec.ttl/2 - time.Since(t.touched))
	return timer.C, timer.Stop
}

// touch renews the TTL if it is due.
func (t *tenure) touch() error {
	if !t.spec.lasting || time.Since(t.touched) < t.spec.ttl/2 {
		return nil
	}
	now := time.Now()
	path := t.spec.touchPath()
	_, err := t.s.Set(t.op, path, nil, framework.AnyVersion, framework.Idempotent)
	if errors.Is(err, framework.ErrNoNode) {
		opts := t.spec.createOptions(framework.PersistentTTL, framework.WithTTL(t.spec.ttl), framework.Idempotent)
		_, err = t.s.Create(t.op, path, nil, opts...)
	}
	if err == nil || errors.Is(err, framework.ErrNodeExists) {
		t.touched = now
		return nil
	}
	return err
}
