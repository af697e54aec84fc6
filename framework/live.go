package framework

import (
	"log/slog"
	"slices"
	"sync"
	"time"
)

// States that the engine reports for a recipe. All other states are reported by the recipe itself.
const (
	// Running is the state of a recipe that has started in a session and has not reported a state.
	Running = "running"
	// NotRunning is the state of a recipe that waits for a connection or the next session. If it has run before, Err
	// says why it ended.
	NotRunning = "waiting for a connection"
)

// Status is the condition of a recipe or claim, as reported by itself, for health checks and debug pages.
type Status struct {
	// State is a word or two, such as "waiting" or "holding". See [Running] and [NotRunning].
	State string
	// Since is when State last changed, with a monotonic reading.
	Since time.Time
	// Err is why it is unwell, or nil. Waiting in a queue is not unwell.
	Err error
	// Unwell is when it became unwell; zero while it is well. If the engine starts a recipe again, the recipe is well
	// when it reports so; one that never reports is well at once. Until then Unwell remains, although Err is nil.
	Unwell time.Time
	// Attrs are further details in display order, such as a path or a number. Client.Recipes resolves their values, so
	// a slog.LogValuer is evaluated at that moment. A group lists problems: its keys are nodes, its values reasons. An
	// empty group is left out.
	Attrs []slog.Attr
}

// LiveRecipe is a running recipe of a client, or a claim: see [Session.Track].
type LiveRecipe struct {
	Name      string      // as in its Recipe
	Path      string      // as in its Recipe, in the namespace
	Namespace string      // of the client that runs it, as in Info
	Policy    Policy      // as in its Recipe
	Attrs     []slog.Attr // as in its Recipe
	Since     time.Time   // when Client.Run, or Session.Track, was called
	Epoch     uint64      // the session that it last started in; 0 before the first start
	Starts    int         // how often it was started; 0 for a claim
	Held      bool        // listed by Session.Track
	Status    Status      // its last report
}

// Recipes lists the running recipes and the claims ([Session.Track]), oldest first.
func (c *Client) Recipes() []LiveRecipe {
	list := c.core.live.list()
	for i, r := range list {
		list[i].Attrs, list[i].Status.Attrs = resolved(r.Attrs), resolved(r.Status.Attrs)
	}
	return list
}

// resolved resolves the values of attributes. Empty groups are left out.
func resolved(attrs []slog.Attr) []slog.Attr {
	attrs = slices.Clone(attrs)
	for i := range attrs {
		attrs[i].Value = attrs[i].Value.Resolve()
	}
	return slices.DeleteFunc(attrs, func(a slog.Attr) bool { return a.Value.Kind() == slog.KindGroup && len(a.Value.Group()) == 0 })
}

// Report sets the status of the recipe that [Client.Run] runs in this session, for [Client.Recipes]: its state in a
// word or two, why it is unwell (nil if it is well), and further details, see [Status]. Since only changes with state.
// Report takes a mutex and never blocks. It does nothing on a Session that does not come from Client.Run, or after the
// recipe has been started again.
//
// A report stays until the next one, even through SUSPENDED. When Run has returned and is to be called again, the
// engine reports [NotRunning], and then [Running].
func (s *Session) Report(state string, err error, attrs ...slog.Attr) {
	if s.entry != nil {
		s.entry.report(s.start, state, err, attrs)
	}
}

// RetryErrors says that the recipe has succeeded once. From now on, also in later sessions, an error of the recipe does
// not end it. [Client.Run] calls it again, after pauses that grow from 100 ms to 30 s, until it returns nil, ctx ends,
// or the policy or Close end it. The error is in the log, and in [Client.Recipes] and [Client.Health] until the recipe
// reports that it is well. RetryErrors does nothing on a Session that does not come from Client.Run.
func (s *Session) RetryErrors() {
	if s.entry != nil {
		s.entry.retryErrors()
	}
}

// Tracked is an entry of [Client.Recipes] without a running recipe: a claim that is held after the call that acquired
// it has returned, such as a lock.Held.
type Tracked struct{ entry *entry }

// Track adds an entry to [Client.Recipes] for something that belongs to this session, in the given state and well,
// until End. A claim that has ended, but was not released by its holder, stays listed with an Err. The client's Close
// does not wait for it.
func (s *Session) Track(name, path string, policy Policy, state string, attrs ...slog.Attr) *Tracked {
	r := LiveRecipe{Name: name, Path: path, Namespace: s.space.name(), Policy: policy, Epoch: s.e.n, Held: true}
	r.Status = Status{State: state, Attrs: attrs}
	return &Tracked{s.core.live.track(r)}
}

// Report sets the status, as [Session.Report] does. Attributes that are not given keep their values.
func (t *Tracked) Report(state string, err error, attrs ...slog.Attr) {
	t.entry.reportHeld(state, err, attrs)
}

// End removes the entry. It may be called more than once.
func (t *Tracked) End() { t.entry.registry.leave(t.entry) }

// registry holds the running recipes, for Close, which waits for them, and for display.
type registry struct {
	log     *slog.Logger
	mu      sync.Mutex
	entries []*entry // by Since
	running int      // number of recipes among them
	closed  bool
	empty   chan struct{} // closed when the last recipe has returned after close
}

// entry is an entry of the registry, whose mutex guards it.
type entry struct {
	LiveRecipe
	registry *registry
	speaks   bool   // it reports its own status
	retries  bool   // its errors do not end it
	said     bool   // the log says that it is unwell
	failure  string // its last error
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

// fail records an error. It reports whether the error is new: different from the last one, or the first after a
// success.
func (e *entry) fail(err error) (news bool) {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	failure, now := innermost(err).Error(), time.Now()
	news = e.failure != failure || now.Sub(e.failed) > calm
	e.failure, e.failed = failure, now
	return news
}

// enter adds a recipe that is about to run.
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

// track adds an entry that Close does not wait for.
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

// start records that the recipe starts in an epoch, and returns the number of starts.
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

// report records a status of the start with that number, unless there was another start since.
func (e *entry) report(start int, state string, err error, attrs []slog.Attr) {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	e.note(start, state, err, attrs)
}

// note is report for a caller that holds the mutex.
func (e *entry) note(start int, state string, err error, attrs []slog.Attr) {
	if start == e.Starts {
		e.speaks = true
		e.become(state, err)
		if attrs != nil || !e.Held {
			e.Status.Attrs = attrs
		}
	}
}

// reportHeld records the status of a claim.
func (e *entry) reportHeld(state string, err error, attrs []slog.Attr) {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	well := e.Status.Err == nil
	e.note(0, state, err, attrs)
	if well && err != nil {
		e.lost(err)
	}
}

// pause records that the recipe waits for its next start because of err.
func (e *entry) pause(err error) {
	e.registry.mu.Lock()
	defer e.registry.mu.Unlock()
	e.become(NotRunning, err)
	e.Status.Attrs = nil
}

// become sets state and error. The mutex is held.
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

// sayWell logs that a recipe is well again, if the log says that it is unwell. The mutex is held.
func (e *entry) sayWell() {
	if e.said {
		e.said = false
		e.registry.log.Info("recipe is well again", append(e.who(), "state", e.Status.State)...)
	}
}

// close admits no more recipes. The channel is closed when the last one has returned.
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
