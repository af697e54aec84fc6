package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/recipekit"
)

// create creates the node.
func (t *tenure) create() error {
	if !t.stakes(true) {
		return nil
	}
	data, n := t.wanted()
	before := t.s.LastZxid()
	node, err := recipekit.CreateTogether(t.op, t.s, t.spec.path, data, t.spec.createOptions(t.spec.mode, framework.Parents)...)
	if errors.Is(err, framework.ErrNodeExists) {
		t.occupied = true
		return nil
	}
	if err != nil {
		return t.failed(err, n, before)
	}
	t.raise(&claim{path: node.Path, czxid: node.Stat.Czxid, version: node.Stat.Version}, data, n)
	return nil
}

// failed records what a failed create leaves behind. If the data may be the reason, the previous data is tried.
func (t *tenure) failed(err error, n uint64, before int64) error {
	switch {
	case t.inDoubt(err):
		t.doubt, t.occupied = &doubt{before: before, session: t.s.ID()}, true
	case errors.Is(err, framework.ErrTooLarge) && t.rejected(n, err):
		return nil
	}
	return err
}

// raise records that the node was created with the n-th data. With a TTL, it does not count as existing until it has
// been touched.
func (t *tenure) raise(c *claim, data []byte, n uint64) {
	t.adopt(c)
	t.written, t.touched = n, time.Time{}
	t.landed(n, data)
	if !t.spec.lasting {
		t.stood(c.path, c.session)
		t.raised = true
	}
}

// adopt makes a node of this session the Keeper's node.
func (t *tenure) adopt(c *claim) {
	c.session, c.since = t.s.ID(), time.Now()
	t.have(c)
	t.doubt, t.occupied = nil, false
}

// inspect examines the node that occupies the path. It may be the Keeper's own, whose create was not answered, or a
// leftover of an earlier session, or another client's.
func (t *tenure) inspect() error {
	if t.doubt != nil { // this server may lag behind the previous one
		if err := t.s.Sync(t.op, t.spec.path); err != nil {
			return err
		}
	}
	node, w, err := t.s.WatchData(t.op, t.spec.path)
	if errors.Is(err, framework.ErrNoNode) {
		t.have(nil)
		t.doubt, t.occupied = nil, false
		return nil
	}
	if err != nil {
		return err
	}
	defer w.Stop()
	switch {
	case t.usable(node.Stat):
		t.accept(node)
		return nil
	case t.s.Former(node.Stat.EphemeralOwner), t.spec.replace && !t.raised:
		return t.replace(node)
	}
	if r, removing := t.s.Removing(t.spec.path); removing && r.Refused != nil {
		return fmt.Errorf("%s is a leftover of an earlier Keeper of this client: %w", t.spec.path, r.Refused)
	}
	return t.yield(node, w)
}

// usable reports whether the node that occupies the path can become the Keeper's as it is.
func (t *tenure) usable(stat framework.Stat) bool {
	if t.spec.ephemeral() {
		return t.created(stat)
	}
	return stat.EphemeralOwner == 0
}

// created reports whether an ephemeral node is the result of a create whose reply was lost.
func (t *tenure) created(stat framework.Stat) bool {
	return t.doubt != nil && t.doubt.session == t.s.ID() && stat.EphemeralOwner == t.s.ID() && stat.Czxid > t.doubt.before
}

// accept makes the node that occupies the path the Keeper's, with the Keeper's data.
func (t *tenure) accept(node framework.Node) {
	data, n := t.wanted()
	t.adopt(&claim{path: node.Path, czxid: node.Stat.Czxid, version: node.Stat.Version})
	t.written = 0
	if bytes.Equal(node.Data, data) {
		t.written = n
		t.landed(n, data)
	}
}

// replace replaces another node by the Keeper's, in one transaction. (A transaction cannot create a container.)
func (t *tenure) replace(node framework.Node) error {
	if !t.stakes(true) {
		return nil
	}
	data, n := t.wanted()
	operations := []framework.Op{framework.DeleteOp(node.Path, node.Stat.Version)}
	if t.spec.mode != framework.Container {
		operations = append(operations, t.spec.createOp(data))
	}
	before := t.s.LastZxid()
	results, err := t.s.Multi(t.op, operations)
	switch {
	case errors.Is(err, framework.ErrNoNode), errors.Is(err, framework.ErrBadVersion): // it has been replaced already
		return nil
	case err != nil:
		return t.failed(err, n, before)
	case len(results) == 1:
		t.occupied = false
		return nil
	}
	t.raise(&claim{path: results[1].Path}, data, n)
	return nil
}

// yield waits for an event of another client's node.
func (t *tenure) yield(node framework.Node, w *framework.Watch) error {
	t.have(nil)
	t.stakes(t.doubt != nil)
	owner := "it is not ephemeral"
	if id := node.Stat.EphemeralOwner; id != 0 {
		owner = fmt.Sprintf("session %#x owns it", id)
	}
	t.fell(fmt.Errorf("%w: %s", ErrTaken, owner))
	select {
	case ev := <-w.C:
		t.occupied = ev.Type != framework.EventDeleted
		return ev.Err
	case <-t.op.Done():
		return context.Cause(t.op)
	}
}
