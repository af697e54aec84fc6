package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
)

// valued is a Value of the node that Values read, as text whatever its codec.
type valued struct {
	*user
	part     *cachePart
	json     bool
	empty    bool // empty data is a value
	strict   bool // only numbers are
	fallback bool // the node need not exist
	reset    bool // and then the default is the value
	opts     []cache.ValueOption
	codec    cache.Codec[string]

	mu    sync.Mutex
	value *cache.Value[string]
	last  cache.Reading[string] // that Changes gave
	mzxid int64
}

const fallback = "default"

var errNoNumber = errors.New("no number")

func (c *cachePart) newValued(u *user) *valued {
	v := &valued{user: u, part: c}
	switch u.oneOf("Bytes", "Text", "JSON") {
	case "Bytes":
		decode := cache.Bytes()
		v.codec = func(data []byte) (string, error) {
			b, err := decode(data)
			return string(b), err
		}
	case "JSON":
		v.json = true
		decode := cache.JSON[json.Number]()
		v.codec = func(data []byte) (string, error) {
			n, err := decode(data)
			return n.String(), err
		}
	default:
		v.codec = cache.Text()
	}
	if v.empty = !v.json && u.may("AllowEmpty", 3); v.empty {
		v.opts = append(v.opts, cache.AllowEmpty())
	}
	if v.strict = u.may("Validate", 3); v.strict {
		v.opts = append(v.opts, cache.Validate(func(text string) error {
			if _, err := strconv.Atoi(text); err != nil && text != fallback {
				return errNoNumber
			}
			return nil
		}))
	}
	if v.fallback = u.wants("DefaultOnDelete") || u.may("OpenValueOr", 2); v.fallback {
		u.plays("OpenValueOr")
		if v.reset = u.may("DefaultOnDelete", 2); v.reset {
			v.opts = append(v.opts, cache.DefaultOnDelete())
		}
	}
	if u.may("NoWait", 3) {
		v.opts = append(v.opts, cache.NoWait())
	}
	if u.may("ListedAs", 8) {
		v.opts = append(v.opts, cache.ListedAs("setting"))
	}
	return v
}

// good reports whether data is a value.
func (v *valued) good(data string) bool {
	if data == "" {
		return v.empty && !v.strict
	}
	_, err := strconv.Atoi(data)
	return err == nil || !v.json && !v.strict
}

func (v *valued) current() *cache.Value[string] {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.value
}

func (v *valued) work() {
	v.during(func() {
		ctx, cancel := v.bounded()
		defer cancel()
		if v.opened(ctx) {
			v.read(ctx)
		}
		v.pause(v.ctx, 10*time.Millisecond+v.upTo(v.Timeout/2))
	})
	for !v.opened(v.ctx) && v.ctx.Err() == nil {
		time.Sleep(v.Timeout / 4)
	}
	<-v.ctx.Done()
	if value := v.current(); value != nil {
		_ = value.Close()
	}
}

// opened opens the Value if it is not open. There may be nothing to open yet.
func (v *valued) opened(ctx context.Context) bool {
	if v.current() != nil {
		return true
	}
	open := func() (*cache.Value[string], error) {
		if v.fallback {
			return cache.OpenValueOr(ctx, v.cli, v.own(v.part.valuePath()), v.codec, fallback, v.opts...)
		}
		return cache.OpenValue(ctx, v.cli, v.own(v.part.valuePath()), v.codec, v.opts...)
	}
	before, calm := v.part.texts.latest(v.part.valuePath()), v.isCalm()
	value, err := open()
	if err != nil {
		// What is wrong with the node is checked at rest, by whoever could open it.
		if now := v.part.texts.latest(v.part.valuePath()); calm && !v.away() && now == before && !now.gone && v.good(now.data) && ctx.Err() == nil {
			v.say("open, although all is calm: %w", err)
		}
		return false
	}
	v.mu.Lock()
	v.value = value
	v.mu.Unlock()
	v.tail.Go(func() {
		for r := range value.Changes(v.late) {
			v.heard()
			v.note(r)
		}
	})
	return true
}

// note checks a reading that Changes gave.
func (v *valued) note(r cache.Reading[string]) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.last = r
	v.mustHaveBeen(r)
	if r.Node.Path != "" && r.Node.Stat.Mzxid < v.mzxid {
		v.say("was told of %#x behind %#x", r.Node.Stat.Mzxid, v.mzxid)
	}
	v.mzxid = max(v.mzxid, r.Node.Stat.Mzxid)
}

// mustHaveBeen checks that a value is what the node once was.
func (v *valued) mustHaveBeen(r cache.Reading[string]) {
	if r.Node.Path == "" {
		if v.fallback && r.Value != fallback && !errors.Is(r.Err, cache.ErrNotLoaded) {
			v.say("has %q without a node", r.Value)
		}
		return
	}
	s, ok := v.part.texts.find(v.part.valuePath(), r.Node.Stat.Mzxid)
	if !ok || s.data != r.Value || !v.good(s.data) {
		v.say("has %q as of %#x, and it was %v", r.Value, r.Node.Stat.Mzxid, s)
	}
}

// read looks at the value in one of several ways.
func (v *valued) read(ctx context.Context) {
	value, path := v.current(), v.part.valuePath()
	since := v.part.texts.now()
	var synced bool
	switch v.oneOf("Sync", "Refresh", "") {
	case "Sync":
		synced = value.Sync(ctx) == nil
	case "Refresh":
		synced = value.Refresh(ctx) == nil
	default:
		since = v.part.connection(v.user)
		away := v.away()
		_, err := value.Fresh()
		if synced = err == nil; synced && away && v.away() {
			v.say("is fresh, and its client is %v", v.cli.State().State)
		}
	}
	r := value.Read()
	v.mustHaveBeen(r)
	switch {
	case !synced || v.missesEvents() || errors.Is(r.Err, cache.ErrNotLoaded):
	case r.Err == nil && r.Node.Path != "" && !v.part.texts.wasSince(path, r.Node.Stat.Mzxid, true, since),
		errors.Is(r.Err, framework.ErrNoNode) && !v.part.texts.wasSince(path, 0, false, since):
		v.say("has %q as of %#x (%w), although there was %#x: %v", r.Value, r.Node.Stat.Mzxid, r.Err, since, v.part.texts.states(path))
	}
}

// mustEqual: the value is the node's, or there is an error and the value is the last good one.
func (v *valued) mustEqual() {
	value, s := v.current(), v.part.texts.latest(v.part.valuePath())
	if value == nil {
		return
	}
	r, want := value.Read(), ""
	v.mustHaveBeen(r)
	switch _, err := value.Fresh(); {
	case err != nil && r.Err == nil:
		want = "fresh: " + err.Error()
	case s.gone && v.fallback && (v.reset || v.mzxid == 0) && (r.Value != fallback || r.Err != nil):
		want = fallback
	case s.gone && !v.fallback && !errors.Is(r.Err, framework.ErrNoNode):
		want = framework.ErrNoNode.Error()
	case !s.gone && v.good(s.data) && (r.Value != s.data || r.Err != nil):
		want = s.data
	case !s.gone && !v.good(s.data) && r.Err == nil:
		want = "an error"
	}
	if want != "" {
		v.say("is %q (%w), and should be %q", r.Value, r.Err, want)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.last.Value != r.Value || fmt.Sprint(v.last.Err) != fmt.Sprint(r.Err) {
		v.say("is %q (%w), and was told of %q (%v)", r.Value, r.Err, v.last.Value, v.last.Err)
	}
}
