package sim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/framework"
)

// counterPart is a number that is counted up and down, one that is set, and a value of bytes. Each write leaves a mark that no
// other one leaves: another difference, another number, another text.
type counterPart struct {
	*base
	hist   *history
	long   bool
	seeded bool

	mu        sync.Mutex
	serial    int
	writes    map[string]*writing // by path and mark
	followers []*following
}

// writing is one write, and what its caller was told.
type writing struct {
	who, what    string
	called, back time.Duration
	err          error
	open         bool // it has not returned
	version      int32
	old          *string // what it was made of
	applied      int
}

const counterSeed = "seed"

func drawCounter(b *base) part {
	return &counterPart{base: b, long: b.drawn("Long", 2), seeded: b.drawn("WithSeed", 2), writes: make(map[string]*writing)}
}

func (c *counterPart) open() error {
	c.hist = c.w.follow(c.path)
	return nil
}

func (c *counterPart) settled() {}

func (c *counterPart) grants() int {
	n := 0
	for _, w := range c.writes {
		n += w.applied
	}
	return n
}

func (c *counterPart) join(client int, cli *framework.Client) error {
	for i := range 1 + c.r.IntN(2) {
		u := c.newUser(client, cli, fmt.Sprint("counter ", i))
		switch u.oneOf("Int Add", "Int Set", "Int CompareAndSet", "Value Set", "Value CompareAndSet", "Value Update") {
		case "Int Add":
			c.count(u, "added")
		case "Int Set", "Int CompareAndSet":
			c.count(u, "set")
		default:
			c.write(u)
		}
	}
	if u := c.newUser(client, cli, "follower"); u.may("Int Changes", 2) {
		follow(c, u, "added", func(n int64) string { return strconv.FormatInt(n, 10) }, counter.NewInt(cli, u.own(c.path+"/added"), c.intOptions(u)...).Changes)
	}
	if u := c.newUser(client, cli, "reader"); u.may("Value Changes", 2) {
		follow(c, u, "value", func(b []byte) string { return string(b) }, counter.NewValue(cli, u.own(c.path+"/value"), c.valueOptions(u)...).Changes)
	}
	return nil
}

func (c *counterPart) intOptions(u *user) (opts []counter.IntOption) {
	if c.long {
		opts = append(opts, counter.Long)
	}
	if u.may("WithoutReceipt", 4) {
		opts = append(opts, counter.WithoutReceipt)
	}
	return opts
}

func (c *counterPart) valueOptions(u *user) (opts []counter.ValueOption) {
	if c.seeded {
		opts = append(opts, counter.WithSeed([]byte(counterSeed)))
	}
	if u.may("WithoutReceipt", 4) {
		opts = append(opts, counter.WithoutReceipt)
	}
	return opts
}

// begin notes a write that is about to be made. mark makes its mark of a number that no other write has.
func (c *counterPart) begin(u *user, name, what string, mark func(n int) string) *writing {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.serial++
	w := &writing{who: u.name, what: what, called: c.w.Now(), open: true, version: counter.NoVersion}
	c.writes[name+" "+mark(c.serial)] = w
	return w
}

// end notes what a write has returned. It reports whether that was nil.
func (c *counterPart) end(u *user, ctx context.Context, w *writing, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w.err, w.back, w.open = err, c.w.Now(), false
	switch {
	case err == nil, ctx.Err() != nil, errors.Is(err, framework.ErrOutcomeUnknown), errors.Is(err, framework.ErrBadVersion):
	case errors.Is(err, framework.ErrNotReadOnly), errors.Is(err, framework.ErrNotConnected), errors.Is(err, context.DeadlineExceeded): // the bound of the client's operations
	default:
		u.say("%s: %w", w.what, err)
	}
	return err == nil
}

// count has a user write numbers, until there is calm and a last one has succeeded.
func (c *counterPart) count(u *user, name string) {
	i := counter.NewInt(u.cli, u.own(c.path+"/"+name), c.intOptions(u)...)
	once := func(ctx context.Context) bool {
		var mark int64
		number := func(n int) string {
			mark = int64(n)
			if name == "added" && oneIn(u.r, 2) {
				mark = -mark
			}
			return strconv.FormatInt(mark, 10)
		}
		switch {
		case name == "added":
			u.plays("Int Add")
			w := c.begin(u, name, "Int.Add", number)
			_, err := i.Add(ctx, mark)
			return c.end(u, ctx, w, err)
		case u.oneOf("Int Set", "Int CompareAndSet") == "Int Set":
			w := c.begin(u, name, "Int.Set", number)
			return c.end(u, ctx, w, i.Set(ctx, mark))
		default:
			v, err := i.Get(ctx)
			if err != nil {
				return false
			}
			w := c.begin(u, name, "Int.CompareAndSet", number)
			old := strconv.FormatInt(v.Value, 10)
			w.old = &old
			w.version, err = i.CompareAndSet(ctx, v.Version, mark)
			return c.end(u, ctx, w, err)
		}
	}
	look := func(ctx context.Context) (int32, error) {
		v, err := i.Get(ctx)
		return v.Version, err
	}
	c.users.Go(func() { c.work(u, name, once, look, i.Close) })
}

// write has a user write texts.
func (c *counterPart) write(u *user) {
	v := counter.NewValue(u.cli, u.own(c.path+"/value"), c.valueOptions(u)...)
	once := func(ctx context.Context) bool {
		var text string
		mark := func(n int) string {
			text = fmt.Sprint("text ", n)
			return text
		}
		switch u.oneOf("Value Set", "Value CompareAndSet", "Value Update") {
		case "Value Set":
			w := c.begin(u, "value", "Value.Set", mark)
			return c.end(u, ctx, w, v.Set(ctx, []byte(text)))
		case "Value Update":
			w := c.begin(u, "value", "Value.Update", mark)
			got, err := v.Update(ctx, func(before []byte) ([]byte, error) {
				old := string(before)
				w.old = &old
				return []byte(text), nil
			})
			w.version = got.Version
			return c.end(u, ctx, w, err)
		default:
			before, err := v.Get(ctx)
			if err != nil {
				return false
			}
			w := c.begin(u, "value", "Value.CompareAndSet", mark)
			old := string(before.Value)
			w.old = &old
			w.version, err = v.CompareAndSet(ctx, before.Version, []byte(text))
			return c.end(u, ctx, w, err)
		}
	}
	look := func(ctx context.Context) (int32, error) {
		got, err := v.Get(ctx)
		return got.Version, err
	}
	c.users.Go(func() { c.work(u, "value", once, look, v.Close) })
}

// work writes until there is calm and one more write has succeeded.
func (c *counterPart) work(u *user, name string, once func(context.Context) bool, look func(context.Context) (int32, error), end func(context.Context) error) {
	u.during(func() {
		ctx, cancel := u.bounded()
		defer cancel()
		once(ctx)
		if u.may("Get", 3) {
			c.look(u, ctx, name, look)
		}
		if u.may("Close", 8) {
			_ = end(ctx)
		}
		u.pause(u.ctx, u.upTo(u.Timeout/4))
	})
	for !once(u.ctx) {
		if u.ctx.Err() != nil {
			u.say("cannot write although all is calm")
			break
		}
		time.Sleep(u.Timeout / 8)
	}
	if err := end(u.late); err != nil {
		u.say("close: %w", err)
	}
}

// look reads behind a sync: it must see what was there before.
func (c *counterPart) look(u *user, ctx context.Context, name string, get func(context.Context) (int32, error)) {
	path := c.path + "/" + name
	before := c.hist.latest(path)
	if u.cli.Sync(ctx, u.own(path)) != nil {
		return
	}
	if version, err := get(ctx); err == nil && !before.gone && version < before.version {
		u.say("%s has version %d behind a sync, and had %d before", path, version, before.version)
	}
}

// mark is what the write behind a state has left, or empty if none of ours made it.
func (c *counterPart) mark(name string, before, s state) string {
	switch {
	case s.gone, s.version == 0 && c.isSeed(name, s.data):
		return ""
	case name == "added":
		return strconv.FormatInt(number(s.data)-number(before.data), 10)
	case name == "set":
		return strconv.FormatInt(number(s.data), 10)
	}
	return s.data
}

func (c *counterPart) isSeed(name, data string) bool {
	switch {
	case name != "value":
		return number(data) == 0
	case c.seeded:
		return data == counterSeed
	}
	return data == ""
}

// number reads what an Int writes.
func number(data string) int64 {
	switch len(data) {
	case 4:
		return int64(int32(binary.BigEndian.Uint32([]byte(data))))
	case 8:
		return int64(binary.BigEndian.Uint64([]byte(data)))
	}
	return 0
}

// judge: each state is the work of one write, and each write was applied as often as its caller was told.
func (c *counterPart) judge() error {
	var errs []error
	for _, name := range []string{"added", "set", "value"} {
		var before state
		for _, s := range c.hist.states(c.path + "/" + name) {
			if mark := c.mark(name, before, s); mark != "" {
				errs = append(errs, c.apply(name+" "+mark, name, before, s))
			}
			before = s
		}
	}
	for mark, w := range c.writes {
		unsure := w.open || errors.Is(w.err, framework.ErrOutcomeUnknown)
		if w.applied > 1 || w.err == nil && !w.open && w.applied != 1 || w.applied > 0 && w.err != nil && !unsure {
			errs = append(errs, fmt.Errorf("%s: %s, called at %v, has returned %w, and %q was applied %d times", w.who, w.what, w.called, w.err, mark, w.applied))
		}
	}
	for _, f := range c.followers {
		errs = append(errs, f.judge())
	}
	return errors.Join(errs...)
}

// apply counts a state for the write that made it, and compares what the write has returned.
func (c *counterPart) apply(mark, name string, before, s state) error {
	w := c.writes[mark]
	if w == nil {
		return fmt.Errorf("%s/%s: no write makes %v of %v", c.path, name, s, before)
	}
	w.applied++
	old := before.data
	if name != "value" {
		old = strconv.FormatInt(number(before.data), 10)
	} else if before.czxid == 0 && c.seeded {
		old = counterSeed
	}
	switch {
	case s.at < w.called, w.err == nil && !w.open && s.at > w.back:
		return fmt.Errorf("%s: %s, called at %v, has returned at %v, and %v", w.who, w.what, w.called, w.back, s)
	case w.old != nil && *w.old != old:
		return fmt.Errorf("%s: %s made %v of %q, and before it was %v", w.who, w.what, s, *w.old, before)
	case w.err == nil && w.version != counter.NoVersion && w.version != s.version:
		return fmt.Errorf("%s: %s has returned version %d for %v", w.who, w.what, w.version, s)
	}
	return nil
}
