package telemetry

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Cache is an open cache. Its methods do nothing on nil.
type Cache struct {
	client *Client
	recipe string
	path   string
	look   func() Contents
	end    func()
}

// Contents describes a cache at one moment.
type Contents struct {
	Nodes      int
	Rejected   int       // nodes that it cannot update: refused by the servers, or not decodable
	StaleSince time.Time // zero while it is fresh
}

// Cache adds a cache to the metrics until End. look must not wait.
func (c *Client) Cache(recipe, path string, look func() Contents) *Cache {
	if c == nil {
		return nil
	}
	k := &Cache{client: c, recipe: recipe, path: path, look: look}
	k.end = list(c, c.caches, k)
	return k
}

// End removes the cache from the metrics.
func (k *Cache) End() {
	if k != nil {
		k.end()
	}
}

// Sync is the progress of a cache towards freshness, repeatedly. Its methods do nothing on nil, and must not be called
// concurrently.
type Sync struct {
	cache *Cache
	ctx   *during
	start time.Time // zero while the cache is fresh
	span  *Span
}

// Sync begins the first progress. The returned context has the span of the current one. If telemetry is off, it is ctx,
// and the Sync is nil.
func (k *Cache) Sync(ctx context.Context) (context.Context, *Sync) {
	if k == nil || k.client.tracer() == nil && !k.client.instruments.sync.Enabled(ctx) {
		return ctx, nil
	}
	s := &Sync{cache: k, ctx: &during{Context: ctx}}
	s.ctx.now.Store(&ctx)
	s.Begin()
	return s.ctx, s
}

// Begin records that the cache is becoming fresh.
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

// Fresh records that the cache is fresh.
func (s *Sync) Fresh() { s.finish(nil) }

// Broken records that the cache has not become fresh, and why.
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

// during is a context with values that change.
type during struct {
	context.Context
	now atomic.Pointer[context.Context]
}

// Value implements context.Context.
func (d *during) Value(key any) any { return (*d.now.Load()).Value(key) }
