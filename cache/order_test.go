package cache

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/docent-zk/docent/framework"
)

// still is a source that never tells anything.
type still struct{ source }

func (still) take() ([]note, error) { return nil, nil }
func (still) covers(work) bool      { return true }
func (still) everywhere() bool      { return true }
func (still) settled() int64        { return 0 }
func (still) listening() bool       { return true }

// script plays answers to a pass in an order of its own choice.
type script struct {
	t *testing.T
	*pass
}

func newScript(t *testing.T) *script {
	t.Helper()
	m := &mirror{spec: newSpec("test", "/r", everyLevel), user: plain{}, held: map[string]*held{}}
	m.board.latest.Store(&view{})
	p := &pass{mirror: m, source: still{}, ctx: context.Background(), tasks: map[work]*task{}, displaced: map[string]struct{}{}}
	p.checks = newChecks()
	return &script{t, p}
}

// begun puts a read under way.
func (s *script) begun(path string, list bool) *task {
	s.t.Helper()
	k := s.mark(work{path, list}, false, nil)
	k.running = true
	s.running++
	return k
}

// node is an answer to a read of a node.
func (s *script) node(k *task, czxid, mzxid, pzxid int64, data string) {
	s.t.Helper()
	stat := framework.Stat{Czxid: czxid, Mzxid: mzxid, Pzxid: pzxid}
	assert.NoError(s.t, s.take(answer{task: k, node: framework.Node{Path: k.path, Data: []byte(data), Stat: stat}}))
}

// gone is an answer that there is no node.
func (s *script) gone(k *task) {
	s.t.Helper()
	assert.NoError(s.t, s.take(answer{task: k, err: framework.ErrNoNode}))
}

// names is an answer to a list.
func (s *script) names(k *task, czxid, pzxid int64, names ...string) {
	s.t.Helper()
	assert.NoError(s.t, s.take(answer{task: k, names: names, stat: framework.Stat{Czxid: czxid, Mzxid: czxid, Pzxid: pzxid}}))
}

// is checks what is in the mirror, by path.
func (s *script) is(want ...string) {
	s.t.Helper()
	var got []string
	s.view().root.walk(func(e *entry) bool {
		got = append(got, e.node.Path+"="+string(e.node.Data))
		return true
	})
	assert.Equal(s.t, want, got)
}

// raised is a script with /r, which was created by transaction 10, and /r/a and /r/a/b.
func raised(t *testing.T) *script {
	t.Helper()
	s := newScript(t)
	s.node(s.begun("/r", false), 10, 10, 11, "")
	s.node(s.begun("/r/a", false), 11, 11, 12, "1")
	s.node(s.begun("/r/a/b", false), 12, 12, 12, "2")
	s.is("/r=", "/r/a=1", "/r/a/b=2")
	return s
}

func TestRepliesForDeletedNodesAreIgnored(t *testing.T) {
	s := raised(t)
	late := s.begun("/r/a/b", false)
	s.gone(s.begun("/r/a", false))
	s.is("/r=")
	s.node(s.begun("/r/a", false), 20, 20, 21, "another")
	s.node(late, 12, 12, 12, "2")
	s.is("/r=", "/r/a=another")

	s = raised(t)
	late = s.begun("/r/a/b", false)
	s.names(s.begun("/r/a", true), 11, 15)
	s.is("/r=", "/r/a=1")
	s.node(late, 12, 12, 12, "2")
	s.is("/r=", "/r/a=1")
	s.node(s.begun("/r/a/b", false), 16, 16, 16, "another")
	s.is("/r=", "/r/a=1", "/r/a/b=another")
}

func TestANodeIsYoungerThanItsParent(t *testing.T) {
	s := raised(t)
	late := s.begun("/r/a/new", false)
	s.gone(s.begun("/r/a", false))
	s.node(s.begun("/r/a", false), 20, 20, 20, "another")
	s.node(late, 13, 13, 13, "of the former")
	s.is("/r=", "/r/a=another")
}

func TestOlderAnswersAreLeftOut(t *testing.T) {
	s := raised(t)
	first := s.begun("/r/a", false)
	s.node(first, 11, 30, 12, "newer")
	s.node(s.begun("/r/a", false), 11, 20, 12, "older")
	s.is("/r=", "/r/a=newer", "/r/a/b=2")
	s.node(s.begun("/r/a", false), 5, 5, 5, "of an earlier node")
	s.is("/r=", "/r/a=newer", "/r/a/b=2")

	s.names(s.begun("/r/a", true), 11, 40, "b")
	s.names(s.begun("/r/a", true), 11, 12)
	s.is("/r=", "/r/a=newer", "/r/a/b=2")
	s.names(s.begun("/r/a", true), 5, 50)
	s.is("/r=", "/r/a=newer", "/r/a/b=2")
}

// A list says nothing of children that were created behind it.
func TestAListIsOfItsTime(t *testing.T) {
	s := raised(t)
	list := s.begun("/r/a", true)
	s.node(s.begun("/r/a/new", false), 30, 30, 30, "3")
	s.names(list, 11, 29)
	s.is("/r=", "/r/a=1", "/r/a/new=3")
}

// A child that is in a list is read again when a read that began earlier has not found it.
func TestAListInsists(t *testing.T) {
	s := raised(t)
	early := s.begun("/r/a/new", false)
	s.names(s.begun("/r/a", true), 11, 30, "b", "new")
	s.gone(early)
	again := s.tasks[work{"/r/a/new", false}]
	assert.NotNil(t, again)
	s.gone(again)
	assert.Nil(t, s.tasks[work{"/r/a/new", false}], "once")
}

// A child that is read before its parent is not lost: the parent is listed.
func TestAChildAheadOfItsParent(t *testing.T) {
	s := newScript(t)
	parent := s.begun("/r", false)
	parent.announced = true
	s.node(s.begun("/r/a", false), 11, 11, 11, "")
	s.is()
	s.node(parent, 10, 10, 10, "")
	s.is("/r=")
	assert.NotNil(t, s.tasks[work{"/r", true}])
}

// Below a node that has not been looked at yet nothing new is put: it may be gone.
func TestNothingIsPutBelowTheUnknown(t *testing.T) {
	s := raised(t)
	s.seen = map[string]struct{}{"/r": {}}
	s.node(s.begun("/r/a/new", false), 30, 30, 30, "")
	s.is("/r=", "/r/a=1", "/r/a/b=2")
	s.node(s.begun("/r/a", false), 11, 11, 12, "1")
	s.node(s.begun("/r/a/new", false), 30, 30, 30, "")
	s.is("/r=", "/r/a=1", "/r/a/b=2", "/r/a/new=")
}

// Another node of the same name under a parent in doubt: the list behind the doubt does not tell it from the one that was known.
func TestAnotherNodeUnderADoubtfulParent(t *testing.T) {
	s := raised(t)
	s.doubtful = map[string]struct{}{"/r": {}}
	root := s.begun("/r", false)
	s.node(s.begun("/r/a", false), 30, 30, 30, "new")
	s.is("/r=", "/r/a=1", "/r/a/b=2")
	s.node(root, 10, 20, 30, "")
	list := s.tasks[work{"/r", true}]
	list.running = true
	s.running++
	s.names(list, 10, 30, "a")
	s.node(s.tasks[work{path: "/r/a"}], 30, 30, 30, "new")
	s.is("/r=", "/r/a=new")
}

// A round ends with the tasks of its time and what follows from them, and waits for a run that began behind its own begin.
func TestRounds(t *testing.T) {
	s := newScript(t)
	ended := 0
	running := s.begun("/r", false)
	s.mark(running.work, false, nil) // told of meanwhile
	s.begin(func() { ended++ })
	s.node(running, 10, 10, 10, "")
	assert.Zero(t, ended, "that answer may be older")
	again := s.begun("/r", false)
	s.node(again, 10, 10, 10, "")
	assert.Equal(t, 1, ended)
	s.begin(func() { ended++ })
	assert.Equal(t, 2, ended, "there is nothing to do")
}

func TestAListFollowsIntoItsRound(t *testing.T) {
	s := newScript(t)
	ended := false
	root := s.begun("/r", false)
	s.begin(func() { ended = true })
	root.lister = true
	s.node(root, 10, 10, 11, "")
	assert.False(t, ended)
	list := s.tasks[work{"/r", true}]
	list.running = true
	s.names(list, 10, 11, "a")
	assert.False(t, ended)
	s.node(s.begun("/r/a", false), 11, 11, 11, "")
	assert.True(t, ended)
}

// What is below a node whose creation was noted is noted too: it need not be listed, unless notes were lost.
func TestAnAnnouncedNodeIsNotListed(t *testing.T) {
	for _, told := range []struct {
		deep   bool
		began  int64
		listed bool
	}{{false, 29, false}, {true, 29, true}, {false, 30, true}} {
		s := raised(t)
		s.began = told.began
		assert.NoError(t, s.processAll(note{path: "/r/new", kind: nodeCreated}))
		k := s.tasks[work{"/r/new", false}]
		k.running = true
		s.running++
		stat := framework.Stat{Czxid: 30, Mzxid: 30, Pzxid: 31, NumChildren: 1}
		assert.NoError(t, s.take(answer{task: k, deep: told.deep, node: framework.Node{Path: k.path, Stat: stat}}))
		assert.Equal(t, told.listed, s.tasks[work{"/r/new", true}] != nil)
	}
}

// When changes may have gone unnoticed nothing more is begun, and what is there is stale.
func TestEverythingEndsAPass(t *testing.T) {
	s := raised(t)
	s.board.show(func(old *view) *view {
		v := *old
		v.link = time.Now()
		return &v
	})
	k := s.begun("/r/a", false)
	assert.NoError(t, s.processAll(note{path: "/r", kind: everything}, note{path: "/r/new", kind: nodeCreated}))
	assert.False(t, s.view().fresh())
	assert.Nil(t, s.tasks[work{"/r/new", false}])
	s.node(k, 11, 30, 12, "unsure")
	s.is("/r=", "/r/a=1", "/r/a/b=2")
	assert.ErrorIs(t, s.step(), errUnknown)
}

// A node that was deleted is looked for in the list of its parent, which shows one of the same name.
func TestAGoneNodeIsLookedFor(t *testing.T) {
	s := raised(t)
	assert.NoError(t, s.processAll(note{path: "/r/a/b", kind: nodeGone}))
	assert.NotNil(t, s.tasks[work{"/r/a", true}])
	assert.NoError(t, s.processAll(note{path: "/r", kind: nodeGone}))
	assert.NotNil(t, s.tasks[work{"/r", false}])
}

// The mirror is complete up to a transaction only when what was noted until then has been read.
func TestCompleteMeansThatNothingIsLeftToDo(t *testing.T) {
	s := raised(t)
	s.source = &told{still{}, []note{{path: "/r/a", kind: nodeTouched}}}
	s.node(s.begun("/r/a/b", false), 12, 13, 12, "new")
	assert.Zero(t, s.complete)
	assert.Len(t, s.tasks, 1)
	s.mark(work{path: "/r/a/c"}, false, nil) // of later
	s.node(s.begun("/r/a", false), 11, 40, 12, "new")
	assert.EqualValues(t, 50, s.complete)
}

// While something is to be caught up with, or unknown, the mirror is complete up to nothing.
func TestIncomplete(t *testing.T) {
	for _, not := range []func(*script){
		func(s *script) { s.catching++ },
		func(s *script) { s.source = &told{still{}, []note{{kind: everything}}} },
	} {
		s := raised(t)
		s.source = &told{}
		not(s)
		s.node(s.begun("/r/a/b", false), 12, 13, 12, "new")
		assert.Zero(t, s.complete)
	}
}

// heedAll has the pass heed notes.
func (s *script) processAll(notes ...note) error {
	s.source = &told{still{}, notes}
	return s.processNotes()
}

// told is a source that has notes.
type told struct {
	still
	notes []note
}

func (s *told) settled() int64 { return 50 }

func (s *told) take() ([]note, error) {
	notes := s.notes
	s.notes = nil
	return notes, nil
}

// A node that was deleted while a read of it is under way is read once more: the answer may be older.
func TestDeletedWhileItIsRead(t *testing.T) {
	s := raised(t)
	k := s.begun("/r/new", false)
	assert.NoError(t, s.processAll(note{path: "/r/new", kind: nodeDeleted}))
	s.node(k, 30, 30, 30, "")
	assert.NotNil(t, s.tasks[work{"/r/new", false}])
}

// A deleted node is shown until a read has not found it. Nothing below it is read then.
func TestADeletedNodeIsShownUntilItIsKnownToBeAbsent(t *testing.T) {
	s := raised(t)
	s.queue = nil
	assert.NoError(t, s.processAll(note{path: "/r/a/b", kind: nodeDeleted}, note{path: "/r/a", kind: nodeDeleted}, note{path: "/r/none", kind: nodeDeleted}))
	ended := false
	s.begin(func() { ended = true })
	s.is("/r=", "/r/a=1", "/r/a/b=2")
	above := s.next()
	assert.Equal(t, work{path: "/r/a"}, above.work, "what is above goes first")
	assert.Nil(t, s.next(), "what is below waits for that, and what is not in the mirror is not looked for")
	above.running = true
	s.running++
	s.gone(above)
	s.is("/r=")
	assert.Empty(t, s.tasks)
	assert.True(t, ended)
}

// The children of a deleted node are not put below another one of its name before that is known.
func TestNothingIsPutBelowADeletedNode(t *testing.T) {
	s := raised(t)
	child := s.begun("/r/a/b", false)
	assert.NoError(t, s.processAll(note{path: "/r/a", kind: nodeDeleted}))
	s.node(child, 21, 21, 21, "new")
	s.is("/r=", "/r/a=1", "/r/a/b=2")
}

// A deep look that is asked for while the node is being read is part of the round that asks for it.
func TestARoundWaitsForADeepLookBehindARun(t *testing.T) {
	s := raised(t)
	s.seen = map[string]struct{}{}
	ended := false
	root := s.mark(work{path: "/r"}, true, nil)
	root.running, s.running = true, 1
	s.begin(func() { ended = true })
	shallow := s.begun("/r/a", false)
	stat := framework.Stat{Czxid: 10, Mzxid: 10, Pzxid: 11}
	assert.NoError(t, s.take(answer{task: root, deep: true, node: framework.Node{Path: "/r", Stat: stat}}))
	s.node(shallow, 11, 11, 12, "1")
	assert.False(t, ended, "nothing below /r/a has been read again")
	deep := s.tasks[work{"/r/a", false}]
	assert.True(t, deep.deep)
}

// The list of a node that was created again is part of the round that reads the node, even while its former list is being read.
func TestARoundWaitsForAListBehindARun(t *testing.T) {
	s := raised(t)
	list := s.begun("/r/a", true)
	node := s.begun("/r/a", false)
	ended := false
	s.begin(func() { ended = true })
	stat := framework.Stat{Czxid: 20, Mzxid: 20, Pzxid: 21, NumChildren: 1}
	assert.NoError(t, s.take(answer{task: node, node: framework.Node{Path: "/r/a", Stat: stat}}))
	s.names(list, 11, 12, "b")
	assert.False(t, ended, "the children of the new /r/a have not been listed")
}

// A child that is in a list but was not found by an earlier read is read again before the round ends.
func TestARoundWaitsForAChildThatWasMissed(t *testing.T) {
	s := raised(t)
	ended := false
	list := s.begun("/r/a", true)
	s.begin(func() { ended = true })
	early := s.begun("/r/a/new", false)
	s.names(list, 11, 30, "b", "new")
	s.gone(early)
	assert.False(t, ended, "/r/a/new was created behind the read that did not find it")
	again := s.tasks[work{"/r/a/new", false}]
	again.running = true
	s.running++
	s.node(again, 30, 30, 30, "3")
	assert.True(t, ended)
}

// A child that is left out until its parent has been read again is part of its round until then.
func TestARoundWaitsForTheParentOfAChildThatIsLeftOut(t *testing.T) {
	s := raised(t)
	ended := false
	child := s.begun("/r/a/new", false)
	s.begin(func() { ended = true })
	s.doubtful = map[string]struct{}{"/r/a": {}}
	parent := s.begun("/r/a", false)
	s.node(child, 30, 30, 30, "3")
	assert.False(t, ended, "the child is not in the mirror")
	s.node(parent, 11, 11, 30, "1")
	list := s.tasks[work{"/r/a", true}]
	list.running = true
	s.running++
	s.names(list, 11, 30, "b", "new")
	assert.False(t, ended, "the child is not in the mirror")
	s.node(s.begun("/r/a/new", false), 30, 30, 30, "3")
	assert.True(t, ended)
}

// A round that begins when events were lost does not end: what there is to do is not known.
func TestNoRoundEndsWhenEventsWereLost(t *testing.T) {
	s := raised(t)
	ended := false
	assert.NoError(t, s.processAll(note{path: "/r", kind: everything}))
	s.begin(func() { ended = true })
	assert.False(t, ended)
}
