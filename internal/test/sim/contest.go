package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
	"github.com/docent-zk/docent/lock"
)

// contest is a part whose users exclude each other.
type contest struct {
	*base
	dirs    []string // directories of the queue nodes, on the server
	tries   bool     // there is a call that does not wait
	revoker bool     // somebody asks whoever holds to let go
	ledgers map[string]*Ledger
	guards  map[string]*guard
}

// grip is something held, by one or several nodes.
type grip struct {
	ctx     context.Context
	dirs    []string // of the nodes, on the server
	paths   []string // the nodes, as the client names them
	nodes   []Life   // the same, as the server has them
	tokens  []int64
	reads   bool
	permits int // 0 if the whole is held
	limit   int
	turn    bool // it may be one of several turns of its node
	goesOn  bool // the token was held before, in another context
	begun   bool // the tenure is in the ledger
	from    time.Duration

	set     func(ctx context.Context, path string, data []byte) error
	release func(ctx context.Context) error // nil if that is not the user's own to do
	revoked <-chan struct{}                 // nil if it cannot be asked for
}

// take gets hold of something, or does so only if nobody is in the way.
type take func(ctx context.Context, try bool) (*grip, error)

func (c *contest) open() error {
	c.ledgers, c.guards = make(map[string]*Ledger), make(map[string]*guard)
	for _, dir := range c.dirs {
		c.ledgers[dir] = c.w.NewLedger(dir)
		g, err := newGuard(c.base, c.ledgers[dir])
		if err != nil {
			return err
		}
		c.guards[dir] = g
	}
	return nil
}

func (c *contest) settled() {}
func (c *contest) rested()  {}

func (c *contest) judge() error {
	var errs []error
	for _, dir := range c.dirs {
		if l := c.ledgers[dir]; l != nil {
			errs = append(errs, l.Judge(), c.guards[dir].judge())
		}
	}
	return errors.Join(errs...)
}

func (c *contest) grants() int {
	n := 0
	for _, l := range c.ledgers {
		n += len(l.Tenures())
	}
	return n
}

// contend has a user take and release again and again. Once there is calm it does so one last time, which must succeed.
func (c *contest) contend(u *user, get take) {
	u.during(func() { c.once(u, get) })
	g, err := get(u.ctx, false)
	for err != nil && u.mayEnd(err) && u.ctx.Err() == nil {
		g, err = get(u.ctx, false)
	}
	if err != nil {
		u.say("did not get it although all is calm: %w", err)
		return
	}
	c.begin(u, g)
	c.end(u, g, u.ctx)
	if g.ctx.Err() == nil || !errors.Is(context.Cause(g.ctx), lock.ErrReleased) {
		u.say("lost it although all is calm: %w", context.Cause(g.ctx))
	}
}

// once takes in one of several ways, holds for a while, and releases in one of several ways.
func (c *contest) once(u *user, get take) {
	ctx, cancel := u.bounded()
	defer cancel()
	try := c.tries && u.may("Try", 8)
	g, err := get(ctx, try)
	if err != nil {
		if ctx.Err() == nil && !u.mayEnd(err) {
			u.say("%w", err)
		}
		u.pause(ctx, 10*time.Millisecond+u.upTo(u.Timeout/4)) // at least the time of a few messages
		return
	}
	c.begin(u, g)
	c.hold(u, g)
	if u.may("release with a ctx that has ended", 8) {
		cancel()
	}
	c.end(u, g, ctx)
	u.pause(u.ctx, u.upTo(20*time.Millisecond))
}

// mayEnd reports whether a call that acquires may say so although its ctx goes on: somebody is in the way, or the user has asked for it.
func (u *user) mayEnd(err error) bool {
	return errors.Is(err, lock.ErrLocked) || u.limited && errors.Is(err, lock.ErrWaitLimit) || u.stops && errors.Is(err, framework.ErrSessionLost)
}

// begin notes a tenure and compares it with what the server knows.
func (c *contest) begin(u *user, g *grip) {
	if g.begun {
		return
	}
	g.begun, g.from, g.nodes = true, c.w.Now(), make([]Life, len(g.dirs))
	for i, dir := range g.dirs {
		node, known := c.w.Log.Latest(u.abroad(g.paths[i]))
		g.nodes[i] = node
		t := Tenure{Who: u.name, Token: g.tokens[i], Node: node.Czxid, Reads: g.reads, GoesOn: g.goesOn}
		if g.permits > 0 {
			t.Permits, t.Limit = 1, g.limit
		}
		c.ledgers[dir].begin(g.ctx, t)
		token := seqnode.Token(node.Czxid, 0)
		if g.turn {
			token = seqnode.Token(node.Czxid, int(t.Token&seqnode.MaxTurn))
		}
		switch ahead := c.ahead(g, dir, node); {
		case !known:
			u.say("holds %s, which never was", g.paths[i])
		case t.Token != token && !g.goesOn:
			u.say("token %#x for %s", t.Token, node)
		case g.permits > 0 && len(ahead) >= g.limit:
			u.say("a permit of %d although %d are ahead of %s", g.limit, len(ahead), node)
		case g.permits == 0 && len(ahead) > 0:
			u.say("holds %s although there is %s", node, ahead[0])
		}
	}
}

// ahead lists the nodes that stand before one and that it has to wait for.
func (c *contest) ahead(g *grip, dir string, node Life) []Life {
	return slices.DeleteFunc(c.w.Log.Ahead(dir, node), func(other Life) bool { return g.reads && isReader(other.Path) })
}

// now is what has become of a grip's nodes: of all of them, twins too.
func (c *contest) now(g *grip) []Life {
	var list []Life
	for i, dir := range g.dirs {
		list = append(list, c.w.Log.Created(dir, g.nodes[i].Czxid)...)
	}
	return list
}

// isReader reports whether a node's name is that of a reader.
func isReader(path string) bool {
	return strings.Contains(path, "__READ__") || strings.Contains(path, "__rlock__")
}

// hold keeps what was taken: briefly, or for longer than a session lasts, or until somebody asks for it; and sometimes longer
// than it should.
func (c *contest) hold(u *user, g *grip) {
	d := u.upTo(50 * time.Millisecond)
	if oneIn(u.r, 4) {
		d = u.upTo(2 * u.Timeout)
	}
	u.pause(g.ctx, d/2)
	if oneIn(u.r, 2) {
		c.guards[g.dirs[0]].write(u, g)
	}
	if c.revoker && g.revoked != nil && u.may("held until revoked", 4) {
		c.untilRevoked(u, g)
	}
	u.pause(g.ctx, d/2)
	if oneIn(u.r, 4) { // slow to stop
		u.pause(u.ctx, u.upTo(u.Timeout/2))
	}
}

// end releases, and compares what that says with what the server knows.
func (c *contest) end(u *user, g *grip, ctx context.Context) {
	called := c.w.Now()
	if c.revoker {
		called = g.from // OnRevoke's function may have released it
	}
	err := g.release(ctx)
	if g.ctx.Err() == nil {
		u.say("released, and its context goes on")
	}
	if again := g.release(u.ctx); !errors.Is(err, framework.ErrReleasing) && (again == nil) != (err == nil) {
		u.say("the first release said %v, the second %v", err, again)
	}
	if err != nil {
		return // it was lost, or is on its way: the ledger knows
	}
	c.mustBeReleased(u, g, called)
}

// mustBeReleased checks what a release with the result nil says: held until the servers applied it.
func (c *contest) mustBeReleased(u *user, g *grip, called time.Duration) {
	for _, life := range c.now(g) {
		handedOn := g.turn && (!life.Dead || life.Forced) // which asks no server
		if !life.Released(called) && !handedOn && !u.unknowable(life) {
			u.say("released at %v with the result nil, and this became of the node: %s", called, life)
		}
	}
}

// held is a Held as a grip.
func held(h *lock.Held, dir string) *grip {
	return &grip{
		ctx: h.Context(), dirs: []string{dir}, tokens: []int64{h.Token()}, paths: []string{h.Path()},
		set: func(ctx context.Context, path string, data []byte) error {
			_, err := h.Set(ctx, path, data, framework.AnyVersion)
			return err
		},
		release: h.Unlock, revoked: h.Revoked(),
	}
}

// String says what became of a node.
func (l Life) String() string {
	if !l.Dead {
		return fmt.Sprintf("%s (%#x) stands", l.Path, l.Czxid)
	}
	return fmt.Sprintf("%s (%#x, session %#x) deleted at %v by session %#x, by its end: %v, by force: %v", l.Path, l.Czxid, l.Owner, l.Died, l.By, l.Ending, l.Forced)
}
