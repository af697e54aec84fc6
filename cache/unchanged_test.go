package cache

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/docent-zk/docent/framework"
)

// A Sync waits until what is held is shown.
func TestSyncWaitsForHeldNodes(t *testing.T) {
	s := raised(t)
	node := s.begun("/r/a", false)
	stat := framework.Stat{Czxid: 20, Mzxid: 20, Pzxid: 21, NumChildren: 1}
	assert.NoError(t, s.take(answer{task: node, node: framework.Node{Path: "/r/a", Data: []byte("new"), Stat: stat}}))
	shown := func() (got []string) {
		s.view().root.walk(func(e *entry) bool {
			got = append(got, e.node.Path+"="+string(e.node.Data))
			return true
		})
		return got
	}
	assert.Equal(t, []string{"/r=", "/r/a=1", "/r/a/b=2"}, shown(), "what is below the new node is not known yet")
	ended := false
	s.whenShown(func() { ended = true })
	list := s.tasks[work{"/r/a", true}]
	list.running = true
	s.running++
	s.names(list, 20, 21, "b")
	assert.False(t, ended)
	s.node(s.begun("/r/a/b", false), 21, 21, 21, "new")
	assert.Equal(t, []string{"/r=", "/r/a=new", "/r/a/b=new"}, shown())
	assert.True(t, ended)
}

// past is a source that has other nodes than the mirror.
type past struct {
	still
	nodes map[string]framework.Node
}

func (s past) get(_ context.Context, path string) (framework.Node, error) {
	if node, ok := s.nodes[path]; ok {
		return node, nil
	}
	return framework.Node{}, framework.ErrNoNode
}

// The newest node that has not changed says how far the servers' history and the mirror's are the same.
func TestWhatIsInCommon(t *testing.T) {
	node := func(path string, mzxid int64, mtime int64, data string) framework.Node {
		return framework.Node{Path: path, Data: []byte(data), Stat: framework.Stat{Czxid: 1, Mzxid: mzxid, Mtime: mtime}}
	}
	known := []framework.Node{node("/r/gone", 50, 5, ""), node("/r/set", 40, 4, ""), node("/r/same", 30, 3, "x"), node("/r", 20, 2, "")}
	for name, c := range map[string]struct {
		same framework.Node
		want int64
		err  error
	}{
		"as it was":       {node("/r/same", 30, 3, "x"), 30, nil},
		"another time":    {node("/r/same", 30, 4, "x"), 0, errHistory},
		"other data":      {node("/r/same", 30, 3, "y"), 0, errHistory},
		"an older state":  {node("/r/same", 29, 3, "x"), 0, errHistory},
		"changed as well": {node("/r/same", 60, 6, "x"), 20, nil},
	} {
		s := raised(t)
		s.source = past{nodes: map[string]framework.Node{"/r/set": node("/r/set", 70, 7, ""), "/r/same": c.same, "/r": known[3]}}
		got, err := s.common(known, 45)
		assert.Equal(t, c.want, got, name)
		assert.Equal(t, c.err, err, name)
	}
	s := raised(t)
	s.source = past{nodes: map[string]framework.Node{"/r/gone": known[0]}}
	got, err := s.common(known, 45)
	assert.EqualValues(t, 45, got, "the mirror knows of nothing behind that for certain")
	assert.NoError(t, err)
}

// The mirror reads again what it has from a later transaction: the servers do not say that it has changed.
func TestChangedHistoryIsReadAgain(t *testing.T) {
	s := raised(t)
	s.gone(s.begun("/r/a/b", false))
	s.tree.kids.get("a").lost = 60
	s.node(s.begun("/r/c", false), 40, 40, 40, "")
	s.complete, s.catching = 50, 1
	assert.NoError(t, s.pass.told(30, framework.Changed{}, nil))
	assert.NotNil(t, s.tasks[work{path: "/r/c"}], "it was created behind it")
	assert.NotNil(t, s.tasks[work{"/r/a", true}], "a child was deleted behind it")
	assert.Nil(t, s.tasks[work{path: "/r/a"}])
	assert.Nil(t, s.tasks[work{"/r", true}])
}
