package interop

import (
	"testing"
)

// Many sections in which one side at a time may be inside.
func TestCuratorExcludes(t *testing.T) {
	for name, kind := range map[string]struct {
		ours   taker
		theirs string
	}{
		"mutex":      {ourMutex, "mutex"},
		"one permit": {ourPermits(1, 1), "semaphore/1/1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, path := onReal(t), "/a"
			one := side{against: []string{"docent", "curator"}, limit: 1, counters: []string{"count"}, times: 100}
			play(t, w, path,
				one.of("docent", ours(w, path, kind.ours), ours(w, path, kind.ours)),
				one.of("curator", theirs(w.curator(), kind.theirs, path), theirs(w.curator(), kind.theirs, path)),
			)
		})
	}
}

// Many sections of a writer and a reader of each side.
func TestCuratorReadersAndWriters(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/a"
	everybody := []string{"docent", "curator", "docentreader", "curatorreader"}
	writers := []string{"docent", "curator"}
	write := side{against: everybody, limit: 1, counters: []string{"count"}, times: 100}
	read := side{against: writers, limit: 0, times: 100}
	play(t, w, path,
		write.of("docent", ours(w, path, ourWriter)), write.of("curator", theirs(w.curator(), "write", path)),
		read.of("docentreader", ours(w, path, ourReader)), read.of("curatorreader", theirs(w.curator(), "read", path)),
	)
}

// Many sections with one or two of three permits. Nothing is counted: several are inside.
func TestCuratorPermits(t *testing.T) {
	t.Parallel()
	w, path := onReal(t), "/a"
	one := side{against: []string{"docent", "curator"}, limit: 3, times: 80}
	two := side{against: one.against, limit: 3, times: 60, marks: 2}
	play(t, w, path,
		one.of("docent", ours(w, path, ourPermits(3, 1)), ours(w, path, ourPermits(3, 1))),
		one.of("curator", theirs(w.curator(), "semaphore/3/1", path), theirs(w.curator(), "semaphore/3/1", path)),
		two.of("docent", ours(w, path, ourPermits(3, 2))),
		two.of("curator", theirs(w.curator(), "semaphore/3/2", path)),
	)
}
