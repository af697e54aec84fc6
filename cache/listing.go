package cache

import (
	"cmp"
	"log/slog"
	"slices"
)

// ListedAs says under which name framework.Client.Recipes lists the cache, and what else there is to know of it. Defaults to
// the kind of cache.
func ListedAs(name string, attrs ...slog.Attr) Option {
	return func(s *spec) { s.listed, s.attrs = name, slices.Clone(attrs) }
}

func (s *spec) listedAs() string { return cmp.Or(s.listed, s.name) }

// report says how the view is to those who look at the client's recipes. It is called under the board's mutex, so that what
// was said last is so.
func (m *mirror) report(v *view) {
	s := m.runs.Load()
	switch {
	case s == nil:
	case v.fresh() && m.user.problem() != nil:
		s.Report("rejected", m.user.problem())
	case v.fresh():
		s.Report("fresh", nil)
	case v.synced:
		s.Report("stale", ErrStale)
	default:
		s.Report("loading", nil)
	}
}

// attrs are what there is to know of the cache, at the moment when somebody looks.
func (m *mirror) attrs() []slog.Attr {
	size := func() slog.Value { return slog.IntValue(m.view().root.count()) }
	refused := func() slog.Value { return slog.IntValue(m.view().refused.count()) }
	return append([]slog.Attr{slog.Any("nodes", valuer(size)), slog.Any("refused", valuer(refused))}, m.spec.attrs...)
}

// valuer is a function that is called when its value is looked at.
type valuer func() slog.Value

// LogValue implements slog.LogValuer.
func (f valuer) LogValue() slog.Value { return f() }
