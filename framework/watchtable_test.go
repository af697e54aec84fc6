package framework

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

var nodeKey = watchKey{dataWatch, "/node"}

func nodeEvent() happening { return changed("/node") }

// The event of one watch says nothing of the next one, in whatever order replies and events are noticed.
func TestWatchTableArming(t *testing.T) {
	t.Run("armed once the read has succeeded", func(t *testing.T) {
		var table watches
		w, armed := table.join("", nodeKey)
		assert.False(t, armed)
		table.attempted(w, &nodeState{})
		_, armed = table.join("", nodeKey)
		assert.True(t, armed)
	})
	t.Run("fired before its reply was noticed", func(t *testing.T) {
		var table watches
		w, _ := table.join("", nodeKey)
		table.happens(nodeEvent())
		assert.Len(t, w.C, 1)
		next, armed := table.join("", nodeKey)
		assert.False(t, armed)
		table.attempted(w, &nodeState{}) // late, and of the watch that has fired
		_, armed = table.join("", nodeKey)
		assert.False(t, armed)
		table.attempted(next, &nodeState{})
		_, armed = table.join("", nodeKey)
		assert.True(t, armed)
	})
	t.Run("failed after another one had begun", func(t *testing.T) {
		var table watches
		w, _ := table.join("", nodeKey)
		table.happens(nodeEvent())
		next, _ := table.join("", nodeKey)
		table.attempted(w, nil)
		w.Stop()
		assert.Len(t, table.m, 1)
		table.attempted(next, &nodeState{})
		table.happens(nodeEvent())
		assert.Len(t, next.C, 1)
	})
	t.Run("its reader has left", func(t *testing.T) {
		var table watches
		w, _ := table.join("", nodeKey)
		w.Stop()
		assert.Len(t, table.m, 1, "the request is under way")
		table.attempted(w, &nodeState{})
		_, armed := table.join("", nodeKey)
		assert.True(t, armed)
	})
	t.Run("its reader has left and it fails", func(t *testing.T) {
		var table watches
		w, _ := table.join("", nodeKey)
		w.Stop()
		table.attempted(w, nil)
		assert.Empty(t, table.m)
	})
	t.Run("one of two fails", func(t *testing.T) {
		var table watches
		one, _ := table.join("", nodeKey)
		two, _ := table.join("", nodeKey)
		table.attempted(one, &nodeState{})
		table.attempted(two, nil)
		one.Stop()
		two.Stop()
		_, armed := table.join("", nodeKey)
		assert.True(t, armed)
	})
	t.Run("the session ends meanwhile", func(t *testing.T) {
		var table watches
		w, _ := table.join("", nodeKey)
		table.end(ErrSessionLost)
		table.attempted(w, &nodeState{})
		w.Stop()
		table.happens(nodeEvent())
		assert.Equal(t, EventSessionOver, (<-w.C).Type)
		late, armed := table.join("", nodeKey)
		assert.True(t, armed, "nothing to arm")
		assert.Equal(t, EventSessionOver, (<-late.C).Type)
		late.Stop()
	})
}

func TestWatchTableForgetsWhatHasFired(t *testing.T) {
	var table watches
	for i := range 100 {
		w, _ := table.join("", watchKey{childWatch, fmt.Sprintf("/node-%03d", i)})
		table.attempted(w, &nodeState{})
	}
	for i := range 100 {
		table.happens(happening{EventChildrenChanged, fmt.Sprintf("/node-%03d", i)})
	}
	assert.Empty(t, table.m)
}

// Calls that are given up while the watch is being set leave one watch behind, which the next user gets.
func TestWatchesThatWereLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, session, _ := memoryClient(t, nil)
		_, err := s.Create("/node", nil, zktest.Persistent)
		require.NoError(t, err)
		heal := s.Delay(zktest.AllConns(), 100*time.Millisecond)
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, _, err := cli.WatchData(ctx, "/node")
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
		heal()
		time.Sleep(time.Second)
		before := s.Counts().Watches
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, w, err := cli.WatchData(ctx, "/node")
			cancel()
			require.NoError(t, err)
			w.Stop()
		}
		assert.Equal(t, before, s.Counts().Watches)
		assert.Len(t, session.e.watches.m, 1)
		_, w, err := cli.WatchData(t.Context(), "/node")
		require.NoError(t, err)
		require.NoError(t, s.Set("/node", nil))
		assert.Equal(t, EventDataChanged, (<-w.C).Type)
		assert.Empty(t, session.e.watches.m)
	})
}
