package discovery

import (
	"log/slog"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/node"
)

// valuer is a function that is called when its value is displayed.
type valuer func() slog.Value

// LogValue implements slog.LogValuer.
func (f valuer) LogValue() slog.Value { return f() }

// listed returns how framework.Client.Recipes lists a registration.
func (r *Registration[T]) listed() node.Option {
	return node.ListedAs("registration", slog.String("service", r.in.Name), slog.Any("phase", valuer(r.phase)))
}

// phase returns what is being done with the instance.
func (r *Registration[T]) phase() slog.Value {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.ending && r.in.Disabled:
		return slog.StringValue("draining")
	case r.ending:
		return slog.StringValue("ending")
	case r.in.Disabled:
		return slog.StringValue("disabled")
	}
	return slog.StringValue("in service")
}

// listed returns how framework.Client.Recipes lists a view of a service.
func (s *Service[T]) listed() cache.Option {
	shown := func(size func(v *view[T]) int) valuer {
		return func() slog.Value {
			v, _ := s.look()
			return slog.IntValue(size(v))
		}
	}
	available := func() slog.Value {
		if p := s.picker.Load(); p != nil {
			return slog.IntValue(p.available.count())
		}
		return slog.IntValue(0)
	}
	return cache.ListedAs("service",
		slog.Any("instances", shown(func(v *view[T]) int { return v.endpoints.count() })),
		slog.Any("available", valuer(available)),
		slog.Any("skipped", shown(func(v *view[T]) int { return len(v.skipped) })))
}
