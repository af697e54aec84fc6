package sim

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
)

// discoveryPart is a service whose instances come and go, but for one that is there all the time, and views of it.
type discoveryPart[T any] struct {
	*base
	load    func(n int) T // payload with a number
	number  func(payload T) int
	opts    []discovery.Option[T]
	silent  bool // an instance that is disabled does not say so
	regs    []*registering[T]
	views   []*viewing[T]
	anchors *discovery.Registry[T]

	mu     sync.Mutex
	serial int
	issued map[int]string // ids, by the numbers of payloads
}

const (
	serviceName = "svc"
	anchorID    = "anchor"
)

// wares is a payload.
type wares struct {
	N      int
	Zone   string
	Weight float64
}

func drawDiscovery(b *base) part {
	if b.drawn("Spring", 6) {
		d := newDiscovery(b, func(n int) discovery.SpringInstance {
			return discovery.SpringInstance{Metadata: map[string]string{"n": strconv.Itoa(n)}}
		}, func(s discovery.SpringInstance) int {
			n, _ := strconv.Atoi(s.Metadata["n"])
			return n
		})
		d.opts = append(d.opts, discovery.WithCodec(discovery.Spring()))
		return d
	}
	d := newDiscovery(b, func(n int) wares {
		return wares{N: n, Zone: []string{"", "near", "far"}[n%3], Weight: float64(n % 4)}
	}, func(w wares) int { return w.N })
	var format []discovery.JSONOption
	if b.drawn("Class", 5) {
		format = append(format, discovery.Class("org.example.Wares"))
	}
	switch {
	case b.drawn("EnabledAlways", 5):
		format = append(format, discovery.EnabledAlways())
	case b.drawn("EnabledNever", 5):
		format, d.silent = append(format, discovery.EnabledNever()), true
	}
	d.opts = append(d.opts, discovery.WithCodec(discovery.JSON[wares](format...)))
	if b.drawn("WithZone", 2) {
		d.opts = append(d.opts, discovery.WithZone(func(in *discovery.Instance[wares]) string { return in.Payload.Zone }))
	}
	if b.drawn("WithWeight", 2) {
		d.opts = append(d.opts, discovery.WithWeight(func(in *discovery.Instance[wares]) float64 { return in.Payload.Weight }))
	}
	return d
}

func newDiscovery[T any](b *base, load func(int) T, number func(T) int) *discoveryPart[T] {
	d := &discoveryPart[T]{base: b, load: load, number: number, issued: make(map[int]string)}
	if b.drawn("AnyAddress", 4) {
		d.opts = append(d.opts, discovery.AnyAddress[T]())
	}
	return d
}

// open registers the instance that stays, by a client at which no fault is aimed.
func (d *discoveryPart[T]) open() error {
	cli, err := d.w.Client("anchor of "+d.path, func(c *framework.Config) { c.SessionTimeout = d.Timeout })
	if err != nil {
		return err
	}
	d.anchors = discovery.New(cli, d.path, d.opts...)
	in := d.instance(anchorID)
	in.Type = discovery.Static
	_, err = d.anchors.Register(d.ctx, in)
	return err
}

// instance is an instance with a payload that no other one has.
func (d *discoveryPart[T]) instance(id string) discovery.Instance[T] {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.serial++
	d.issued[d.serial] = id
	return discovery.Instance[T]{Name: serviceName, ID: id, Address: "127.0.0.1", Port: 80, Payload: d.load(d.serial)}
}

func (d *discoveryPart[T]) rested()      {}
func (d *discoveryPart[T]) judge() error { return nil }

func (d *discoveryPart[T]) grants() int {
	n := 0
	for _, v := range d.views {
		n += v.picks
	}
	return n
}

func (d *discoveryPart[T]) join(client int, cli *framework.Client) error {
	for i := range 1 + d.r.IntN(2) {
		u := d.newUser(client, cli, fmt.Sprint("instance ", i))
		r := &registering[T]{user: u, part: d, id: fmt.Sprintf("i%d-%d", client, i), registry: discovery.New(cli, u.own(d.path), d.opts...)}
		r.kind = map[string]discovery.Type{
			"Dynamic": discovery.Dynamic, "Static": discovery.Static, "Permanent": discovery.Permanent, "DynamicSequential": discovery.DynamicSequential,
		}[u.oneOf("Dynamic", "Dynamic", "Static", "Permanent", "DynamicSequential")]
		d.regs = append(d.regs, r)
		d.users.Go(r.work)
	}
	u := d.newUser(client, cli, "view")
	v := &viewing[T]{user: u, part: d, registry: discovery.New(cli, u.own(d.path), d.opts...)}
	d.views = append(d.views, v)
	d.users.Go(v.work)
	return nil
}

// settled: each view has the instances that are registered, with their latest payloads.
func (d *discoveryPart[T]) settled() {
	want := map[string]int{anchorID: 1}
	for _, r := range d.regs {
		reg := r.current()
		if reg == nil || !reg.Standing().Stands {
			r.say("is not registered although all is calm")
			continue
		}
		want[r.id] = d.number(reg.Instance().Payload)
	}
	for _, v := range d.views {
		v.mustShow(want)
	}
}

// known reports whether an instance was registered so at some time.
func (d *discoveryPart[T]) known(id string, payload T) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.issued[d.number(payload)] == id
}

// registering registers an instance, again and again.
type registering[T any] struct {
	*user
	part     *discoveryPart[T]
	registry *discovery.Registry[T]
	id       string
	kind     discovery.Type

	mu  sync.Mutex
	reg *discovery.Registration[T]
}

func (r *registering[T]) current() *discovery.Registration[T] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reg
}

func (r *registering[T]) keep(reg *discovery.Registration[T]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reg = reg
}

func (r *registering[T]) work() {
	r.during(func() {
		ctx, cancel := r.bounded()
		defer cancel()
		if r.current() == nil && !r.register(ctx) {
			return
		}
		r.pause(r.ctx, r.upTo(r.Timeout))
		r.use(ctx)
	})
	if r.current() == nil {
		r.register(r.ctx)
	}
	if r.current() != nil {
		r.update(r.ctx, false)
	}
	<-r.ctx.Done()
	if reg := r.current(); reg != nil {
		if err := reg.Close(r.late); err != nil && r.late.Err() == nil {
			r.say("close: %w", err)
		}
	}
}

func (r *registering[T]) register(ctx context.Context) bool {
	in := r.part.instance(r.id)
	in.Type = r.kind
	reg, err := r.registry.Register(ctx, in)
	if err != nil {
		if ctx.Err() == nil {
			r.say("register: %w", err)
		}
		r.pause(r.ctx, r.upTo(r.Timeout/4))
		return false
	}
	r.keep(reg)
	return true
}

// use changes the instance, or takes it away.
func (r *registering[T]) use(ctx context.Context) {
	var err error
	switch r.oneOf("Update", "Disabled", "Drain", "Close", "", "") {
	case "Update":
		r.update(ctx, false)
	case "Disabled":
		r.update(ctx, true)
	case "Drain":
		err = r.current().Drain(r.ctx, r.upTo(r.Timeout/2))
		r.keep(nil)
	case "Close":
		err = r.current().Close(r.ctx)
		r.keep(nil)
	}
	if err != nil && r.ctx.Err() == nil {
		r.say("%w", err)
	}
}

func (r *registering[T]) update(ctx context.Context, disabled bool) {
	in := r.part.instance(r.id)
	in.Type, in.Disabled = r.kind, disabled
	if err := r.current().Update(ctx, in); err != nil && ctx.Err() == nil {
		r.say("update: %w", err)
	}
}
