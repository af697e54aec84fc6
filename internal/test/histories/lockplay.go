package histories

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// LockPlay is a mutex or a readers-writer lock, and a register that its holders write.
type LockPlay struct {
	Play
	ReadersWriters bool
	Handover       bool // the actors of a client hand the mutex on among themselves

	shared []*lock.Mutex // of each client, with Handover
	values atomic.Int64  // each is written once
	counts []atomic.Int64
}

const (
	lockPath     = "/histories/lock"
	registerPath = "/histories/register"
)

// Run plays it. The error says what must not be and is not in the history.
func (p *LockPlay) Run() error {
	p.counts = make([]atomic.Int64, len(p.Ground.Clients()))
	for i, cli := range p.Ground.Clients() {
		opts := []lock.Option{lock.LocalHandover(6)}
		if i%2 > 0 {
			opts = append(opts, lock.Hold(0))
		}
		p.shared = append(p.shared, lock.New(cli, lockPath, opts...))
	}
	if err := setUp(p.Ground, registerPath, []byte("0")); err != nil {
		return err
	}
	return p.perform(func(a *actor) { (&lockActor{a, p}).round() }, func(a *actor) { (&lockActor{a, p}).last() }, func(client int) *Call {
		return p.History.Begin(stormRow, LockInput{Kind: Destroy, Client: client})
	})
}

// stormRow is the actor on the page that stands for the faults.
const stormRow = 99

// setUp creates a node.
func setUp(g Ground, path string, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := g.Clients()[0].Create(ctx, path, data, framework.Parents, framework.Idempotent)
	if errors.Is(err, framework.ErrNodeExists) { // by a try whose answer was lost
		return nil
	}
	return err
}

type lockActor struct {
	*actor
	play *LockPlay
}

// holding is one Held, with its token as the actor sees it.
type holding struct {
	held   *lock.Held
	token  int64
	shared bool // with other readers
	tenure *tenure
}

// round takes the lock, works, gives it back, and sometimes writes when it should not any more.
func (a *lockActor) round() {
	ctx, cancel := a.impatient()
	defer cancel()
	if a.oneIn(4) {
		a.read(ctx)
	}
	h := a.acquire(ctx)
	if h == nil {
		return
	}
	stint := a.stint()
	a.hold(h, stint/2)
	a.write(h)
	if a.play.ReadersWriters && !h.shared && a.oneIn(3) {
		h = a.downgrade(h)
	}
	a.hold(h, stint/2)
	late := a.oneIn(3) && !a.held(h)
	if late {
		a.hold(h, a.Timeout) // somebody else gets in meanwhile, if it is over
		a.writeLate(h)
	}
	a.release(h)
	if late || a.oneIn(4) {
		Wait(a.ctx, a.upTo(20*time.Millisecond))
		a.writeLate(h)
	}
}

// held reports whether the holder goes on.
func (a *lockActor) held(h *holding) bool { return h.held.Context().Err() == nil }

// hold does nothing for d, or until the context ends if the holder listens.
func (a *lockActor) hold(h *holding, d time.Duration) {
	if a.Mutant == Deaf || !a.held(h) {
		Wait(a.ctx, d)
		return
	}
	Wait(h.held.Context(), d)
}

// options draws how a lock answers SUSPENDED.
func (a *lockActor) options() []lock.Option {
	if a.oneIn(2) {
		return []lock.Option{lock.Hold(0)}
	}
	return nil
}

// acquire returns nil if the lock was not had.
func (a *lockActor) acquire(ctx context.Context) *holding {
	kind, get := Acquire, lock.New(a.cli, lockPath, a.options()...).Lock
	if a.play.Handover {
		get = a.play.shared[a.client].Lock
	}
	if a.play.ReadersWriters {
		rw := lock.NewRW(a.cli, lockPath, a.options()...)
		get = rw.Lock
		if a.oneIn(2) {
			kind, get = Share, rw.RLock
		}
	}
	call := a.History.Begin(a.number, LockInput{Kind: kind, Who: a.String(), Client: a.client})
	held, err := get(ctx)
	if err != nil {
		call.Drop()
		return nil
	}
	h := &holding{held: held, token: held.Token(), shared: kind == Share}
	if a.Mutant == OwnTokens {
		h.token = a.play.counts[a.client].Add(1)
	}
	call.End(LockOutput{Token: h.token})
	h.tenure = a.tenureOf(h)
	return h
}

func (a *lockActor) tenureOf(h *holding) *tenure {
	return a.begin(h.held.Context(), func() *Call {
		return a.History.Begin(a.number, LockInput{Kind: End, Who: a.String(), Token: h.token})
	})
}

// downgrade returns what is held then.
func (a *lockActor) downgrade(h *holding) *holding {
	call := a.History.Begin(a.number, LockInput{Kind: Downgrade, Who: a.String(), Token: h.token})
	held, err := h.held.Downgrade(a.ctx)
	if err != nil {
		call.Drop()
		return h
	}
	h.tenure.cancel()
	call.End(nil)
	next := &holding{held: held, token: h.token, shared: true}
	next.tenure = a.tenureOf(next)
	return next
}

// release ends the tenure and gives the lock back.
func (a *lockActor) release(h *holding) {
	h.tenure.end()
	if h.held.Unlock(a.ctx) == nil { // else it was lost, or goes later
		a.History.Moment(a.number, LockInput{Kind: Gone, Token: h.token})
	}
}

// write writes as holders do.
func (a *lockActor) write(h *holding) {
	if h.shared {
		return
	}
	ctx, cancel := a.impatient()
	defer cancel()
	a.put(h, func(data []byte) error {
		if a.Mutant == Unguarded {
			_, err := a.cli.Set(ctx, registerPath, data, framework.AnyVersion)
			return err
		}
		_, err := h.held.Set(ctx, registerPath, data, framework.AnyVersion)
		return err
	})
}

// writeLate writes as a process does that was stopped between its look at the context and the write: it goes to the servers.
func (a *lockActor) writeLate(h *holding) {
	if h.shared {
		return
	}
	ctx, cancel := a.impatient()
	defer cancel()
	a.put(h, func(data []byte) error {
		ops := []framework.Op{h.held.Check(), framework.SetOp(registerPath, data, framework.AnyVersion)}
		if a.Mutant == Unguarded {
			ops = ops[1:]
		}
		_, err := a.cli.Multi(ctx, ops)
		return err
	})
}

// put notes a write.
func (a *lockActor) put(h *holding, write func(data []byte) error) {
	value := int(a.play.values.Add(1))
	call := a.History.Begin(a.number, LockInput{Kind: Write, Who: a.String(), Token: h.token, Value: value})
	err := write([]byte(strconv.Itoa(value)))
	switch {
	case err == nil:
		call.End(LockOutput{Value: value})
	case errors.Is(err, framework.ErrOutcomeUnknown):
	case errors.Is(err, lock.ErrNotHeld), errors.Is(err, framework.ErrNoNode):
		h.tenure.end() // as the holder has been told
		call.End(LockOutput{Refused: true})
	default:
		call.Drop()
	}
}

// read reads the register.
func (a *lockActor) read(ctx context.Context) bool {
	call := a.History.Begin(a.number, LockInput{Kind: Read})
	node, err := a.cli.Get(ctx, registerPath)
	if err != nil {
		call.Drop()
		return false
	}
	value, err := strconv.Atoi(string(node.Data))
	if err != nil {
		a.fail("the register: %w", err)
	}
	call.End(LockOutput{Value: value})
	return true
}

// last takes the lock when all is calm, and nothing may go wrong but what comes late.
func (a *lockActor) last() {
	for late := 0; ; late++ {
		h := a.acquire(a.ctx)
		if h == nil {
			a.fail("%v did not get the lock %w", a, errCalm)
			return
		}
		a.write(h)
		h.tenure.end()
		err := h.held.Unlock(a.ctx)
		a.writeLate(h)
		if err == nil {
			break
		}
		if late == a.Late {
			a.fail("%v lost the lock %w: %w", a, errCalm, err)
			break
		}
	}
	if !a.read(a.ctx) {
		a.fail("%v could not read %w", a, errCalm)
	}
}
