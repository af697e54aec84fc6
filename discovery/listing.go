package discovery

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/internal/brief"
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
	ejected := func() slog.Value { return slog.IntValue(len(s.ejected())) }
	return cache.ListedAs("service",
		slog.Any("instances", shown(func(v *view[T]) int { return v.endpoints.count() })),
		slog.Any("available", valuer(available)),
		slog.Any("skipped", shown(func(v *view[T]) int { return len(v.skipped) })),
		slog.Any("ejected", valuer(ejected)),
		slog.Any("skipped_nodes", valuer(s.skips)),
		slog.Any("ejected_instances", valuer(s.ejections)))
}

// maxListed is how many skipped nodes, and ejected instances, are listed with their reasons.
const maxListed = 20

// skips returns a group of the skipped nodes and why they are skipped, at most maxListed.
func (s *Service[T]) skips() slog.Value {
	v, _ := s.look()
	var list []slog.Attr
	for _, k := range v.skipped[:min(len(v.skipped), maxListed)] {
		list = append(list, slog.String(k.Path, fmt.Sprint(k.Err)))
	}
	return slog.GroupValue(list...)
}

// ejections returns a group of the ejected instances and why they are ejected, at most maxListed.
func (s *Service[T]) ejections() slog.Value {
	out := s.ejected()
	var list []slog.Attr
	for _, c := range out[:min(len(out), maxListed)] {
		text := fmt.Sprintf("%d errors within %s, readmitted in %s: %v", s.ejection.Errors, brief.Duration(s.ejection.Window), brief.Duration(time.Until(c.out)), c.why)
		list = append(list, slog.String(c.key, text)) // fmt survives an error that panics
	}
	return slog.GroupValue(list...)
}

// ejected returns copies of the conditions of the ejected instances, by their keys.
func (s *Service[T]) ejected() []condition {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []condition
	for _, c := range s.out {
		if c.inService && c.out.After(time.Now()) {
			list = append(list, condition{key: c.key, out: c.out, why: c.why})
		}
	}
	slices.SortFunc(list, func(a, b condition) int { return cmp.Compare(a.key, b.key) })
	return list
}
