package interop

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

func sharedMutex(cli *framework.Client, path string) acquire {
	return holding(lock.New(cli, path, lock.Shared()).Lock)
}

func sharedWriter(cli *framework.Client, path string) acquire {
	return holding(lock.NewRW(cli, path, lock.Shared()).Lock)
}

func sharedReader(cli *framework.Client, path string) acquire {
	return holding(lock.NewRW(cli, path, lock.Shared()).RLock)
}

// One waits for the other, in both orders, with two nodes for each place of docent's.
func TestSharedWaits(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	for name, e := range map[string]exclusion{
		"Curator mutex":            {ours: sharedMutex, theirs: curatorLock("mutex"), nodes: 3},
		"Curator writer":           {ours: sharedWriter, theirs: curatorLock("write"), nodes: 3},
		"Curator writer, reader":   {ours: sharedReader, theirs: curatorLock("write"), nodes: 3},
		"Curator reader, writer":   {ours: sharedWriter, theirs: curatorLock("read"), nodes: 3},
		"kazoo lock":               {ours: sharedMutex, theirs: kazooLock("lock"), nodes: 3},
		"kazoo lock with patterns": {ours: sharedMutex, theirs: kazooLock("patient"), nodes: 3},
		"kazoo writer":             {ours: sharedWriter, theirs: kazooLock("write"), nodes: 3},
		"kazoo writer, reader":     {ours: sharedReader, theirs: kazooLock("write"), nodes: 3},
		"kazoo reader, writer":     {ours: sharedWriter, theirs: kazooLock("read"), nodes: 3},
		"default, with patterns":   {ours: ourMutex, theirs: kazooLock("patient"), nodes: 2},
		"zk.Lock":                  {ours: sharedMutex, theirs: zkLockAt, nodes: 3},
		"default, zk.Lock":         {ours: ourMutex, theirs: zkLockAt, nodes: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, path := w.in(t), "/"+t.Name()
			w.create(path, "")
			waitsForEachOther(t, w, path, e)
		})
	}
}

// Readers of all languages hold together.
func TestSharedReadersHoldTogether(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/lock"
	w.create(path, "")
	for _, reader := range []somebody{
		&docentLock{t: t, lock: sharedReader(w.client(), path)},
		&peerLock{w.curator(), "read", path},
		&peerLock{w.kazoo(), "read", path},
		&docentLock{t: t, lock: sharedReader(w.client(), path)},
	} {
		reader.take().wait(t)
		defer reader.giveBack()
	}
}

// Peers read who holds a shared lock, each from the node that it understands.
func TestSharedIsSeen(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/lock"
	w.create(path, "")
	held, err := lock.New(w.client(), path, lock.Shared(), lock.WithData([]byte("docent"))).Lock(within(t))
	require.NoError(t, err)
	assert.Equal(t, map[string]sight{
		"":                            {},
		"/_c_GUID-lock-0000000000":    {"docent", true},
		"/_c_GUID-__lock__0000000001": {"docent", true},
	}, w.subtree(path))
	python, java := w.kazoo(), w.curator()
	waiting := []*call{java.begin("lock.acquire", "mutex", path), python.begin("lock.acquire", "lock", path)}
	w.untilThereAre(path, 4)
	assert.Equal(t, []string{"docent", "kazoo"}, w.kazoo().do("lock.contenders", "lock", path))
	assert.Contains(t, w.curator().do("lock.participants", path), held.Path())
	require.NoError(t, held.Unlock(within(t)))
	for _, c := range waiting {
		c.wait(t)
	}
}

// Many sections of docent and one other kind of lock.
func TestSharedExcludes(t *testing.T) {
	for name, pair := range map[string]struct {
		ours  taker
		tag   string
		other func(w *world, path string) participant
	}{
		"Curator":                         {sharedMutex, "curator", func(w *world, path string) participant { return theirs(w.curator(), "mutex", path) }},
		"kazoo":                           {sharedMutex, "kazoo", func(w *world, path string) participant { return theirs(w.kazoo(), "lock", path) }},
		"zk.Lock":                         {sharedMutex, "zk", zkLocks},
		"default and zk.Lock":             {ourMutex, "zk", zkLocks},
		"default and kazoo with patterns": {ourMutex, "kazoo", func(w *world, path string) participant { return theirs(w.kazoo(), "patient", path) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, path := onReal(t), "/a"
			one := side{against: []string{"docent", pair.tag}, limit: 1, counters: []string{"count"}, times: 100}
			play(t, w, path,
				one.of("docent", ours(w, path, pair.ours), ours(w, path, pair.ours)),
				one.of(pair.tag, pair.other(w, path), pair.other(w, path)),
			)
		})
	}
}

// Many sections of docent, Curator, kazoo and zk.Lock on one path. Curator and zk.Lock exclude each other; kazoo excludes docent
// only, and so counts for itself. Docent counts for both, and must never meet anybody.
func TestSharedExcludesAllAtOnce(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/a"
	all := side{against: []string{"docent", "curator", "zk", "kazoo"}, limit: 1, counters: []string{"java", "python"}, times: 80}
	java := side{against: []string{"docent", "curator", "zk"}, limit: 1, counters: []string{"java"}, times: 80}
	python := side{against: []string{"docent", "kazoo"}, limit: 1, counters: []string{"python"}, times: 80}
	play(t, w, path,
		all.of("docent", ours(w, path, sharedMutex), ours(w, path, sharedMutex)),
		java.of("curator", theirs(w.curator(), "mutex", path)),
		java.of("zk", zkLocks(w, path)),
		python.of("kazoo", theirs(w.kazoo(), "lock", path)),
	)
}

// Many sections of readers and writers of docent and Curator, and of writers of kazoo. (kazoo's ReadLock waits for writers
// that came later, too, up to version 2.8, and so for ever.)
func TestSharedReadersAndWriters(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/a"
	// Curator and kazoo do not see each other.
	java := []string{"docent", "docentreader", "curator", "curatorreader"}
	python := []string{"docent", "docentreader", "kazoo"}
	all := append([]string{"kazoo"}, java...)
	counted := side{limit: 1, times: 60}
	reads := side{limit: 0, times: 60}
	writer := func(against []string, counters ...string) side {
		s := counted
		s.against, s.counters = against, counters
		return s
	}
	reader := func(against ...string) side {
		s := reads
		s.against = against
		return s
	}
	play(t, w, path,
		writer(all, "java", "python").of("docent", ours(w, path, sharedWriter)),
		writer(java, "java").of("curator", theirs(w.curator(), "write", path)),
		writer(python, "python").of("kazoo", theirs(w.kazoo(), "write", path)),
		reader("docent", "curator", "kazoo").of("docentreader", ours(w, path, sharedReader), ours(w, path, sharedReader)),
		reader("docent", "curator").of("curatorreader", theirs(w.curator(), "read", path)),
	)
}

// Everybody waits for docent's leader, and docent waits for everybody.
func TestSharedElection(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/election"
	w.create(path, "")
	latch, selector, python := w.curator(), w.curator(), w.kazoo()
	first := stand(t, w.client(), path, "first", leader.Shared())
	first.leads.wait(t)
	latch.do("latch.start", path, "latch")
	w.untilThereAre(path, 4)
	selector.do("selector.start", path, "selector")
	w.untilThereAre(path, 5)
	python.do("election.start", path, "kazoo")
	w.untilThereAre(path, 6)
	last := stand(t, w.client(), path, "last", leader.Shared())
	w.untilThereAre(path, 9)
	assert.Equal(t, "first", latch.says("latch.leader"))
	assert.Equal(t, "first", selector.says("selector.leader"))
	assert.Equal(t, []string{"first", "kazoo", "last"}, python.do("election.contenders"))
	assert.Equal(t, []string{"first", "latch", "selector", "kazoo", "last"}, candidates(t, w.eye, path, leader.Shared()))
	waiting := []*call{latch.begin("latch.await"), selector.begin("selector.await"), python.begin("election.await")}
	for _, c := range waiting {
		c.goesOn(t)
	}

	first.resigns()
	for _, c := range waiting {
		c.wait(t) // they do not exclude each other
	}
	for _, leave := range []func(){
		func() { latch.do("latch.close") }, func() { python.do("election.close") }, func() { selector.do("selector.close") },
	} {
		last.leads.goesOn(t)
		leave()
	}
	last.leads.wait(t)
	last.resigns()
}
