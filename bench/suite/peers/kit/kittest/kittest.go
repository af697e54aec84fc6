// Package kittest runs the workloads of peers once on zktest, so that none breaks unseen.
package kittest

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
	"github.com/docent-zk/docent/zktest"
)

// Ground is a server with the nodes that the workloads need.
type Ground struct {
	*zktest.Server
}

// NewGround starts a server that ends with the test.
func NewGround(t *testing.T) Ground {
	t.Helper()
	s, err := zktest.Start(zktest.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	create := func(path string, data []byte) {
		_, err := s.Create(path, data, zktest.Persistent)
		require.NoError(t, err)
	}
	for _, path := range []string{"/node", "/tree", "/tree/dir-000", "/kept", "/unread", "/queue", "/services", "/services/orders"} {
		create(path, kit.Payload(0))
	}
	for i := range 10 {
		create(kit.NodePath("/tree", i), kit.Payload(0))
		create("/services/orders/"+strconv.Itoa(i), kit.Instance("orders", strconv.Itoa(i), 80))
	}
	return Ground{s}
}

// Play does each workload once, with its arguments.
func (g Ground) Play(t *testing.T, version string, openers map[string]kit.Opener, workloads map[string]line.Args) {
	t.Helper()
	for name, args := range workloads {
		t.Run(name, func(t *testing.T) {
			p := kit.New(version, openers)
			args["servers"] = g.ConnectString()
			_, err := p.Handle(line.Command{Verb: line.Prepare, Workload: name, Args: args})
			require.NoError(t, err)
			answer, err := p.Handle(line.Command{Verb: line.Run, Workload: name, For: time.Millisecond, Args: args})
			require.NoError(t, err)
			assert.True(t, answer.Ops > 0 || answer.Text["session"] != "")
			_, err = p.Handle(line.Command{Verb: line.End, Workload: name})
			require.NoError(t, err)
		})
	}
}
