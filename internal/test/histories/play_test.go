package histories

import (
	"errors"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
)

const (
	clients = 3
	timeout = 10 * time.Second
)

// stage makes a ground and what all plays have, and closes it when run has returned.
func stage(seed uint64, trace func(string), mutant Mutant, run func(p Play, ground *Simulated) error) (tally Tally, _ *Recorder, err error) {
	ground, err := NewSimulated(seed, clients, timeout, trace)
	if err != nil {
		return Tally{}, nil, err
	}
	p := Play{Ground: ground, Seed: seed, Timeout: timeout, Length: 8 * timeout, Mutant: mutant, History: NewRecorder()}
	p.Trouble = DrawTrouble(seed, clients, timeout, p.Length)
	if trace != nil {
		trace(p.Trouble.String())
	}
	err = errors.Join(run(p, ground), ground.Close())
	return p.History.Tally(), p.History, err
}

// locking is a play of a lock.
func locking(readersWriters bool, mutant Mutant) play {
	return func(seed uint64, trace func(string)) ([]porcupine.Operation, Tally, error) {
		tally, rec, err := stage(seed, trace, mutant, func(p Play, _ *Simulated) error {
			return (&LockPlay{Play: p, ReadersWriters: readersWriters}).Run()
		})
		return rec.History(), tally, err
	}
}

// permitting is a play of a semaphore.
func permitting(limit int, shared bool, mutant Mutant) play {
	return func(seed uint64, trace func(string)) ([]porcupine.Operation, Tally, error) {
		tally, rec, err := stage(seed, trace, mutant, func(p Play, _ *Simulated) error {
			return (&PermitPlay{Play: p, Limit: limit, Shared: shared}).Run()
		})
		return Allow(rec.History(), limit), tally, err
	}
}

// counting is a play of a counter.
func counting(anew, withoutReceipt bool, mutant Mutant) play {
	return func(seed uint64, trace func(string)) ([]porcupine.Operation, Tally, error) {
		tally, rec, err := stage(seed, trace, mutant, func(p Play, _ *Simulated) error {
			return (&CountPlay{Play: p, Anew: anew, WithoutReceipt: withoutReceipt}).Run()
		})
		return rec.History(), tally, err
	}
}

func TestMutex(t *testing.T)   { eachSeed(t, 20, Locks, locking(false, Sound)) }
func TestRWMutex(t *testing.T) { eachSeed(t, 20, Locks, locking(true, Sound)) }

// With hand-overs inside the clients, of which the servers know nothing.
func TestHandover(t *testing.T) {
	eachSeed(t, 20, Locks, func(seed uint64, trace func(string)) ([]porcupine.Operation, Tally, error) {
		tally, rec, err := stage(seed, trace, Sound, func(p Play, _ *Simulated) error {
			return (&LockPlay{Play: p, Handover: true}).Run()
		})
		return rec.History(), tally, err
	})
}

func TestSemaphore(t *testing.T)       { eachSeed(t, 15, Permits, permitting(3, false, Sound)) }
func TestSharedSemaphore(t *testing.T) { eachSeed(t, 15, Permits, permitting(3, true, Sound)) }

func TestCounter(t *testing.T) { eachSeed(t, 15, Counting(0, 0), counting(false, false, Sound)) }
func TestCounterStartsOver(t *testing.T) {
	eachSeed(t, 10, Counting(0, -1), counting(true, false, Sound))
}
func TestCounterWithoutReceipt(t *testing.T) {
	eachSeed(t, 15, Counting(0, 0), counting(false, true, Sound))
}

// Whoever is broken is found out.
func TestMutants(t *testing.T) {
	for name, m := range map[string]struct {
		model porcupine.Model
		run   play
	}{
		"a holder that ignores its context":           {Locks, locking(false, Deaf)},
		"a reader or writer that ignores its context": {Locks, locking(true, Deaf)},
		"a write without the guard":                   {Locks, locking(false, Unguarded)},
		"tokens of one's own":                         {Locks, locking(false, OwnTokens)},
		"permits behind the end of the context":       {Permits, permitting(2, false, Deaf)},
		"one permit more":                             {Permits, permitting(2, false, OnePermitMore)},
		"a counter that repeats":                      {Counting(0, 0), counting(false, true, Repeating)},
		"a counter that believes":                     {Counting(0, 0), counting(false, true, Believing)},
	} {
		t.Run(name, func(t *testing.T) {
			seed := findsIn(t, 40, m.model, m.run)
			assert.Positive(t, seed, "porcupine sees nothing wrong with it")
			t.Log("found with seed", seed)
		})
	}
}
