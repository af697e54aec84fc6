package framework_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

// mirror is a copy of a tree that is kept up to date with a TreeWatch as its documentation says, and in no other way: what
// no event names is not read. Whatever the watch leaves out shows as a difference.
type mirror struct {
	*testing.T
	session *framework.Session
	watch   *framework.TreeWatch
	root    string
	nodes   map[string]string
	seen    []framework.Event // since the last reset
	resets  int
}

// newMirror watches first and then reads everything.
func newMirror(t *testing.T, session *framework.Session, root string) *mirror {
	t.Helper()
	w, err := session.WatchTree(within(t, patience), root)
	require.NoError(t, err)
	t.Cleanup(w.Stop)
	m := &mirror{T: t, session: session, watch: w, root: root}
	m.readAll()
	return m
}

func (m *mirror) readAll() {
	m.nodes = make(map[string]string)
	m.readBelow(m.root)
}

func (m *mirror) readBelow(path string) {
	if !m.read(path) {
		return
	}
	names, _, err := m.session.Children(m.ctx(), path)
	if m.gone(err) {
		return
	}
	for _, name := range names {
		m.readBelow(framework.Join(path, name))
	}
}

// read reads one node and reports whether it is there.
func (m *mirror) read(path string) bool {
	node, err := m.session.Get(m.ctx(), path)
	if m.gone(err) {
		delete(m.nodes, path)
		return false
	}
	m.nodes[path] = string(node.Data)
	return true
}

func (m *mirror) gone(err error) bool {
	if errors.Is(err, framework.ErrNoNode) {
		return true
	}
	require.NoError(m, err)
	return false
}

func (m *mirror) ctx() context.Context { return within(m.T, patience) }

// catchUp applies events until there are none.
func (m *mirror) catchUp() {
	m.Helper()
	for {
		events, err := m.watch.Take()
		require.NoError(m, err)
		if len(events) == 0 {
			return
		}
		for _, ev := range events {
			m.apply(ev)
		}
	}
}

func (m *mirror) apply(ev framework.Event) {
	m.Helper()
	switch ev.Type {
	case framework.EventReset:
		assert.Equal(m, m.root, ev.Path)
		m.seen, m.resets = nil, m.resets+1
		m.readAll()
	case framework.EventCreated, framework.EventDeleted, framework.EventDataChanged:
		assert.True(m, ev.Path == m.root || strings.HasPrefix(ev.Path, strings.TrimSuffix(m.root, "/")+"/"), ev.Path)
		m.seen = append(m.seen, ev)
		m.read(ev.Path)
	default:
		require.FailNow(m, "unexpected event", "%v", ev)
	}
}
