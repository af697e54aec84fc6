package telemetry

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Cache is a cache that is open. Its methods do nothing on nil.
type Cache struct {
	client *Client
	recipe string
	path   string
	look   func() Contents
	end    func()
}

// Contents are what a cache holds at a moment.
type Contents struct {
	Nodes      int
	Rejected   int       // nodes that it cannot bring up to date: refused by the servers, or not to be decoded
	StaleSince time.Time // zero while it is fresh
}

// Cache lists a cache until End. look must not wait.
func (c *Client) Cache(recipe, path string, look func() Contents) *Cache {
	if c == nil {
		return nil
	}
	k := &Cache{client: c, recipe: recipe, path: path, look: look}
	k.end = list(c, c.caches, k)
	return k
}

// End takes the cache from the list.
func (k *Cache) End() {
	if k != nil {
		k.end()
	}
}

// Sync is a cache on its way to be fresh, again and again. Its methods do nothing on nil, and are for one goroutine.
type Sync struct {
	cache *Cache
	ctx   *during
	start time.Time // zero while the cache is fresh
	span  *Span
}

// Sync begins with the cache on its way. The context has the span of each way, for as long as that takes. It is ctx, and the
// Sync is nil, while nobody wants to know.
func (k *Cache) Sync(ctx context.Context) (context.Context, *Sync) {
	if k == nil || k.client.tracer() == nil && !k.client.instruments.sync.Enabled(ctx) {
		return ctx, nil
	}
	s := &Sync{cache: k, ctx: &during{Context: ctx}}
	s.ctx.now.Store(&ctx)
	s.Begin()
	return s.ctx, s
}

// Begin says that the cache is on its way, if it was not.
func (s *Sync) Begin() {
	if s == nil || !s.start.IsZero() {
		return
	}
	s.start = time.Now()
	subject := Subject{Recipe: s.cache.recipe, Path: s.cache.path}
	spanned, span := s.cache.client.start(s.ctx.Context, "cache.sync", subject.attributes())
	s.span = span
	s.ctx.now.Store(&spanned)
}

// Fresh says that the cache has become fresh.
func (s *Sync) Fresh() { s.finish(nil) }

// Broken says that it has not, and why.
func (s *Sync) Broken(err error) { s.finish(err) }

func (s *Sync) finish(err error) {
	if s == nil || s.start.IsZero() {
		return
	}
	c := s.cache.client
	name := c.cfg.Names.Of(err)
	attrs := []attribute.KeyValue{keyRecipe.String(s.cache.recipe)}
	if name != "" {
		attrs = append(attrs, keyErrorType.String(name))
	}
	c.instruments.sync.Record(context.Background(), time.Since(s.start).Seconds(), metric.WithAttributes(attrs...))
	s.ctx.now.Store(&s.ctx.Context)
	s.span.end(name, err)
	s.start, s.span = time.Time{}, nil
}

// during is a context with values that it has for a time only.
type during struct {
	context.Context
	now atomic.Pointer[context.Context]
}

// Value implements context.Context.
func (d *during) Value(key any) any { return (*d.now.Load()).Value(key) }
