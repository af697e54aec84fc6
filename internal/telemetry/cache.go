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
	look   func() (nodes int, staleSince time.Time)
	end    func()
}

// Cache lists a cache until End. look must not wait.
func (c *Client) Cache(recipe, path string, look func() (nodes int, staleSince time.Time)) *Cache {
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

// Sync is the time until a cache is fresh. Its methods do nothing on nil.
type Sync struct {
	cache *Cache
	start time.Time
	span  *Span
	ended atomic.Bool
	ctx   *during
}

// Sync begins one. The context has the span until the end of the Sync, and is ctx from then on.
func (k *Cache) Sync(ctx context.Context) (context.Context, *Sync) {
	if k == nil || k.client.tracer() == nil && !k.client.instruments.sync.Enabled(ctx) {
		return ctx, nil
	}
	s := &Sync{cache: k, start: time.Now()}
	spanned, span := k.client.start(ctx, "cache.sync", []attribute.KeyValue{keyRecipe.String(k.recipe), keyPath.String(k.path)})
	if span == nil {
		return ctx, s
	}
	s.span, s.ctx = span, &during{Context: ctx}
	s.ctx.now.Store(&spanned)
	return s.ctx, s
}

// Fresh says that the cache is.
func (s *Sync) Fresh() { s.finish(nil) }

// Broken says that it will not be, unless it has been.
func (s *Sync) Broken(err error) { s.finish(err) }

func (s *Sync) finish(err error) {
	if s == nil || s.ended.Swap(true) {
		return
	}
	c, name := s.cache.client, ""
	attrs := []attribute.KeyValue{keyRecipe.String(s.cache.recipe)}
	if err != nil {
		name = c.cfg.Names.Of(err)
		attrs = append(attrs, keyErrorType.String(name))
	}
	c.instruments.sync.Record(context.Background(), time.Since(s.start).Seconds(), metric.WithAttributes(attrs...))
	if s.span != nil {
		s.ctx.now.Store(&s.ctx.Context)
		s.span.end(name, err)
	}
}

// during is a context with values that it has for a time only.
type during struct {
	context.Context
	now atomic.Pointer[context.Context]
}

// Value implements context.Context.
func (d *during) Value(key any) any { return (*d.now.Load()).Value(key) }
