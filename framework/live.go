package framework

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// The states that the engine reports for a recipe; all others are the recipe's own words.
const (
	// Running is the state of a recipe that has started in a session and has said nothing yet.
	Running = "running"
	// NotRunning is the state of a recipe that waits for a connection, or for the next session; its Err says why, if the
	// recipe has run before.
	NotRunning = "waiting for a connection"
)

// Status is what a recipe, or something that is held, says of itself, for those who look: health checks, debug pages.
type Status struct {
	// State is a word or two: "waiting", "holding", "standing". See [Running] and [NotRunning].
	State string
	// Since is when State became what it is, with a monotonic reading.
	Since time.Time
	// Err says why it is not well. It is nil when it is: waiting in a queue is well.
	Err error
	// Unwell is since when it has not been well, and zero while it is. A recipe that is started anew by the engine is well
	// again when it says so itself, if it says anything of itself: until then Unwell stays, although Err is nil.
	Unwell time.Time
	// Attrs is more to know, in the order to show it: a path, a number. Client.Recipes resolves their values, so what a
	// slog.LogValuer says is so at that moment.
	Attrs []slog.Attr
}

// LiveRecipe is a recipe that is running on a client, or something that is held there: see [Session.Track].
type LiveRecipe struct {
	Name      string      // as its Recipe says
	Path      string      // as its Recipe says, in the namespace
	Namespace string      // of the client that runs it, as in Info
	Policy    Policy      // as its Recipe says
	Attrs     []slog.Attr // as its Recipe says
	Since     time.Time   // when Client.Run, or Session.Track, was called
	Epoch     uint64      // the session that it was last started on, 0 before the first start
	Starts    int         // how often it was started; 0 for what is held
	Held      bool        // it is listed by Session.Track
	Status    Status      // what it has reported last
}

// Recipes lists the recipes that are running and what is held ([Session.Track]), oldest first.
func (c *Client) Recipes() []LiveRecipe {
	list := c.core.live.list()
	for i, r := range list {
		list[i].Attrs, list[i].Status.Attrs = resolved(r.Attrs), resolved(r.Status.Attrs)
	}
	return list
}

// resolved asks the attributes for their values.
func resolved(attrs []slog.Attr) []slog.Attr {
	attrs = slices.Clone(attrs)
	for i := range attrs {
		attrs[i].Value = attrs[i].Value.Resolve()
	}
	return attrs
}

// Report says how the recipe is that [Client.Run] runs in this session, for [Client.Recipes]: its state in a word or two, and why
// it is not well, nil if it is. While state remains the same its Since does, whatever err is. attrs is what else there is to
// know: see [Status]. It costs a mutex, never blocks, and does nothing on a Session that does not come from Client.Run, or
// when that has started the recipe anew.
//
// What was reported stands until the next report, and over SUSPENDED; when Run returns and is to be called again, the engine
// reports [NotRunning], and then [Running].
func (s *Session) Report(state string, err error, attrs ...slog.Attr) {
	if s.entry != nil {
		s.entry.report(s.start, state, err, attrs)
	}
}

// RetryErrors says that what the recipe does has worked once. From now on, also in later sessions, an error that the recipe
// returns does not end it: [Client.Run] calls it again, after pauses that grow from 100 ms to 30 s, until it returns nil, ctx
// ends, or the policy or Close end it. The error is in [Client.Recipes] and [Client.Health], until the recipe reports that it is
// well, which it does itself from now on, and in the log. RetryErrors does nothing on a Session that does not come from Client.Run.
func (s *Session) RetryErrors() {
	if s.entry != nil {
		s.entry.retryErrors()
	}
}

// Tracked is something that [Client.Recipes] lists although no recipe runs for it: what is held after the call that has
// acquired it has returned, as a lock.Held is.
type Tracked struct{ entry *entry }

// Track lists something that belongs to this session, until End. It is in the given state and well. A claim that has ended, but
// that its holder has not given up, is listed on, with an Err. Close of the client does not wait for it.
func (s *Session) Track(name, path string, policy Policy, state string, attrs ...slog.Attr) *Tracked {
	r := LiveRecipe{Name: name, Path: path, Namespace: s.space.name(), Policy: policy, Epoch: s.e.n, Held: true}
	r.Status = Status{State: state, Attrs: attrs}
	return &Tracked{s.core.live.track(r)}
}

// Report is [Session.Report] for what is tracked. Attrs that are not given stay what they were.
func (t *Tracked) Report(state string, err error, attrs ...slog.Attr) {
	t.entry.reportHeld(state, err, attrs)
}

// End takes it from the list. It may be called repeatedly.
func (t *Tracked) End() { t.entry.registry.leave(t.entry) }

// registry knows the recipes that run, for Close, which waits for them, and for those who look.
type registry struct {
	log     *slog.Logger
	mu      sync.Mutex
	entries []*entry // by Since
	running int      // of them
	closed  bool
	empty   chan struct{} // closed by the last recipe to leave after close
}

// entry is one of them. Guarded by the registry's mutex.
type entry struct {
	LiveRecipe
	registry *registry
	speaks   bool   // it says itself how it is
	retries  bool   // its errors do not end it
	said     bool   // the log has it that it is not well
	failure  string // the error that it has failed with last
	failed   time.Time
}

func (e *entry) retryErrors() {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	e.retries, e.speaks = true, true
}

func (e *entry) retriesErrors() bool {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	return e.retries
}

// fail notes an error, and reports whether it is news: another one than before, or the first one after a time without.
func (e *entry) fail(err error) (news bool) {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	failure, now := innermost(err).Error(), time.Now()
	news = e.failure != failure || now.Sub(e.failed) > calm
	e.failure, e.failed = failure, now
	return news
}

// enter lists a recipe that is about to run.
func (g *registry) enter(r Recipe, in space) (*entry, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, ErrClosed
	}
	g.running++
	return g.add(LiveRecipe{
		Name: r.Name, Path: r.Path, Namespace: in.name(), Policy: r.Policy, Attrs: r.Attrs, Status: Status{State: NotRunning},
	}), nil
}

// track lists something that nobody waits for.
func (g *registry) track(r LiveRecipe) *entry {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.add(r)
}

func (g *registry) add(r LiveRecipe) *entry {
	r.Since = time.Now()
	r.Status.Since = r.Since
	e := &entry{LiveRecipe: r, registry: g}
	g.entries = append(g.entries, e)
	return e
}

func (g *registry) leave(e *entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.entries, e)
	if i < 0 {
		return
	}
	g.entries = slices.Delete(g.entries, i, i+1)
	if e.Held {
		return
	}
	if g.running--; g.closed && g.running == 0 {
		close(g.empty)
	}
}

// start notes that the recipe starts in an epoch, and returns how many starts that makes.
func (e *entry) start(epoch uint64) int {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	e.Epoch, e.Starts = epoch, e.Starts+1
	now := Status{State: Running, Since: time.Now()}
	if e.speaks {
		now.Unwell = e.Status.Unwell
	}
	e.Status = now
	return e.Starts
}

// report notes what was said in the start of that number, unless there was another since.
func (e *entry) report(start int, state string, err error, attrs []slog.Attr) {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	e.note(start, state, err, attrs)
}

// note is report for a caller that has the mutex.
func (e *entry) note(start int, state string, err error, attrs []slog.Attr) {
	if start == e.Starts {
		e.speaks = true
		e.become(state, err)
		if attrs != nil || !e.Held {
			e.Status.Attrs = attrs
		}
	}
}

// reportHeld notes how something is that is held.
func (e *entry) reportHeld(state string, err error, attrs []slog.Attr) {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	well := e.Status.Err == nil
	e.note(0, state, err, attrs)
	if well && err != nil {
		e.lost(err)
	}
}

// pause notes that the recipe waits to be started again, because of err.
func (e *entry) pause(err error) {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	e.become(NotRunning, err)
	e.Status.Attrs = nil
}

// become changes the state and how it is. The mutex is held.
func (e *entry) become(state string, err error) {
	now := time.Now()
	if e.Status.State != state {
		e.Status.State, e.Status.Since = state, now
	}
	e.Status.Err = err
	switch {
	case err == nil:
		e.Status.Unwell = time.Time{}
		e.sayWell()
	case e.Status.Unwell.IsZero():
		e.Status.Unwell = now
	}
}

// sayWell writes that a recipe is well again if the log has it that it is not. The mutex is held.
func (e *entry) sayWell() {
	if e.said {
		e.said = false
		e.registry.log.Info("recipe is well again", append(e.who(), "state", e.Status.State)...)
	}
}

// close admits no more recipes. The result is closed when the last one has returned.
func (g *registry) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.empty = true, make(chan struct{})
	if g.running == 0 {
		close(g.empty)
	}
	return g.empty
}

func (g *registry) list() []LiveRecipe {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]LiveRecipe, len(g.entries))
	for i, e := range g.entries {
		list[i] = e.LiveRecipe
	}
	return list
}
