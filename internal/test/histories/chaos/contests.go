//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

// The names of the contests, which are the directories of their paths.
const (
	roleMutex     = "mutex"
	roleRW        = "readers-writers"
	roleSemaphore = "semaphore"
	roleMulti     = "several-locks"
	roleElection  = "election"
)

// permits is the limit of the semaphores.
const permits = 3

// multiPaths is how many paths the several locks are of.
const multiPaths = 3

// claim is something that is held: a Held, a Bundle or a Term.
type claim interface {
	Context() context.Context
	Checks() []framework.Op
	Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error)
}

// holding is one claim, with what is said of it in the journal.
type holding struct {
	claim
	objects []string // what is held
	tokens  []int64  // of each of them
	release func(ctx context.Context) error
	weight  int
	shared  bool
	holds   bool
	last    Nanos // before the latest positive look
	work    Nanos // end of the latest work
}

// object is the path of a contest in one slice, and register the path of what its holders write.
func object(role string, slice int) string { return fmt.Sprintf("/%s/%03d", role, slice) }

func register(object string) string { return "/registers" + object }

// contests are the recipes that give something to one at a time.
func (w *worker) contests() []*part {
	c := &contests{worker: w, local: make(map[int]*lock.Mutex)}
	list := []*part{
		{name: roleMutex, actors: 2, round: c.contest(c.mutex)},
		{name: roleRW, actors: 2, round: c.contest(c.readersWriters)},
		{name: roleSemaphore, actors: 1, round: c.contest(c.semaphore)},
		{name: roleMulti, actors: 1, round: c.contest(c.several)},
		{name: roleElection, actors: 1, round: c.election},
	}
	return list
}

type contests struct {
	*worker
	mu    sync.Mutex
	local map[int]*lock.Mutex // with hand-over, by slice
}

// contest is a round: acquire, work, write, release.
func (c *contests) contest(acquire func(ctx context.Context, a *actor) (*holding, error)) func(context.Context, *actor) Nanos {
	return func(ctx context.Context, a *actor) Nanos {
		from := Now()
		h, err := acquire(ctx, a)
		if err != nil {
			return a.fail("acquire", err)
		}
		at := a.tenure(h, from)
		if err := h.release(a.resting); err == nil {
			a.about(h, Record{Op: Released, To: Now()})
		}
		if h.last != 0 && a.oneIn(4) {
			a.writeUnlooked(h) // a former holder, as after a long pause
		}
		return at
	}
}

// tenure works while the claim's context lives, for a stint at most. It returns when the first look was.
func (a *actor) tenure(h *holding, from Nanos) Nanos {
	at := Now()
	if h.Context().Err() != nil {
		return at
	}
	h.last, h.work = at, at
	a.about(h, Record{Op: Granted, From: from, To: at})
	for until := at.Add(a.stint()); Now() < until && a.resting.Err() == nil; {
		look := Now()
		if h.Context().Err() != nil {
			break
		}
		h.last = look
		time.Sleep(5 * time.Millisecond) // the work, which does not hear that the context ends
		h.work = Now()
		if a.oneIn(8) && !a.write(h) {
			break
		}
	}
	a.about(h, Record{Op: Ended, From: h.last, To: h.work})
	return at
}

// about puts a record for each of what is held.
func (a *actor) about(h *holding, r Record) {
	for i, object := range h.objects {
		r.Object, r.Token, r.Weight, r.Shared, r.Holds = object, h.tokens[i], h.weight, h.shared, h.holds
		a.put(r)
	}
}

// write writes as holders do: it reports false if the claim was over.
func (a *actor) write(h *holding) bool {
	if h.shared {
		return true
	}
	return a.note(h, func(ctx context.Context, ops []framework.Op) ([]framework.OpResult, error) { return h.Multi(ctx, ops) })
}

// writeUnlooked lets the servers alone decide.
func (a *actor) writeUnlooked(h *holding) {
	if h.shared {
		return
	}
	a.note(h, func(ctx context.Context, ops []framework.Op) ([]framework.OpResult, error) {
		checks := h.Checks()
		results, err := a.cli.Multi(ctx, append(checks, ops...))
		if err == nil {
			results = results[len(checks):]
		}
		return results, err
	})
}

// values counts the writes of a process.
var values struct {
	sync.Mutex
	n int64
}

// note writes to the register of the first object, and notes the answer.
func (a *actor) note(h *holding, multi func(context.Context, []framework.Op) ([]framework.OpResult, error)) bool {
	values.Lock()
	values.n++
	value := int64(a.ID)<<48 | int64(a.Life)<<32 | values.n
	values.Unlock()
	ctx, cancel := context.WithTimeout(a.resting, 2*a.Timeout)
	defer cancel()
	data := []byte(strconv.FormatInt(value, 10) + " " + strconv.FormatInt(h.tokens[0], 10))
	r := Record{Op: Wrote, Object: register(h.objects[0]), Token: h.tokens[0], Value: value, Weight: h.weight, From: Now()}
	// A process that is killed during the write leaves this line.
	begun := r
	begun.To, begun.Result = 0, Unknown
	a.put(begun)
	results, err := multi(ctx, []framework.Op{framework.SetOp(r.Object, data, framework.AnyVersion)})
	r.To = Now()
	switch {
	case err == nil:
		r.Version, r.Zxid = results[0].Stat.Version, results[0].Stat.Mzxid
	case errors.Is(err, framework.ErrOutcomeUnknown):
		r.Result = Unknown
	case errors.Is(err, lock.ErrNotHeld), errors.Is(err, framework.ErrNoNode):
		r.Result = Refused
	default:
		r.Result = Unsent
	}
	a.put(r)
	return err == nil
}

// mutex draws the option from the slice, so that all contenders of a path have the same.
func (c *contests) mutex(ctx context.Context, a *actor) (*holding, error) {
	slice := c.slice()
	path := object(roleMutex, slice)
	m, holds := lock.New(c.cli, path), false
	switch slice % 4 {
	case 1:
		m = lock.New(c.cli, path, lock.Shared())
	case 2:
		m = c.handover(slice, path)
	case 3:
		m, holds = lock.New(c.cli, path, lock.Hold(0)), true
	}
	get := m.Lock
	if a.oneIn(10) {
		get = m.TryLock
	}
	return held(get(ctx))(path, holds)
}

// handover is the one Mutex of this process and slice.
func (c *contests) handover(slice int, path string) *lock.Mutex {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.local[slice] == nil {
		c.local[slice] = lock.New(c.cli, path, lock.LocalHandover(4))
	}
	return c.local[slice]
}

func held(h *lock.Held, err error) func(path string, holds bool) (*holding, error) {
	return func(path string, holds bool) (*holding, error) {
		if err != nil {
			return nil, err
		}
		return &holding{claim: h, objects: []string{path}, tokens: []int64{h.Token()}, release: h.Unlock, holds: holds}, nil
	}
}

func (c *contests) readersWriters(ctx context.Context, a *actor) (*holding, error) {
	slice := c.slice()
	path := object(roleRW, slice)
	var opts []lock.Option
	if slice%2 == 1 {
		opts = append(opts, lock.Shared())
	}
	rw := lock.NewRW(c.cli, path, opts...)
	get, shared := rw.Lock, a.oneIn(2)
	if shared {
		get = rw.RLock
	}
	h, err := held(get(ctx))(path, false)
	if err == nil {
		h.shared = shared
	}
	return h, err
}

func (c *contests) semaphore(ctx context.Context, a *actor) (*holding, error) {
	slice := c.slice()
	path := object(roleSemaphore, slice)
	s := lock.NewSemaphore(c.cli, path, permits)
	if slice%2 == 1 {
		s = lock.NewSharedSemaphore(c.cli, path, limitPath)
	}
	n := 1 + a.r.IntN(2)
	b, err := s.Acquire(ctx, n)
	if err != nil {
		return nil, err
	}
	return &holding{claim: b, objects: []string{path}, tokens: b.Tokens()[:1], release: b.Unlock, weight: n}, nil
}

// limitPath is the node with the limit of the semaphores that share it.
const limitPath = "/limit"

// several locks two of three paths.
func (c *contests) several(ctx context.Context, a *actor) (*holding, error) {
	base := object(roleMulti, c.slice())
	out := a.r.IntN(multiPaths)
	var paths []string
	for i := range multiPaths {
		if i != out {
			paths = append(paths, base+"-"+strconv.Itoa(i))
		}
	}
	b, err := lock.NewMulti(c.cli, paths).Lock(ctx)
	if err != nil {
		return nil, err
	}
	return &holding{claim: b, objects: paths, tokens: b.Tokens(), release: b.Unlock}, nil
}

// election campaigns, or runs a leader function.
func (c *contests) election(ctx context.Context, a *actor) Nanos {
	path := object(roleElection, c.slice())
	e := leader.New(c.cli, path, leader.WithID(strconv.Itoa(c.ID)))
	if a.oneIn(2) {
		return c.contest(func(ctx context.Context, _ *actor) (*holding, error) {
			t, err := e.Campaign(ctx)
			if err != nil {
				return nil, err
			}
			return &holding{claim: t, objects: []string{path}, tokens: []int64{t.Token()}, release: t.Resign}, nil
		})(ctx, a)
	}
	from, at := Now(), Nanos(0)
	err := e.Run(ctx, func(_ context.Context, t *leader.Term) error {
		at = a.tenure(&holding{claim: t, objects: []string{path}, tokens: []int64{t.Token()}}, from)
		return nil
	})
	if err != nil {
		return a.fail("run", err)
	}
	return at
}
