package cache

import (
	"log/slog"
	"slices"
)

// ListedAs sets the name under which framework.Client.Recipes lists the cache, and further details.
// Defaults to the kind of cache.
func ListedAs(name string, attrs ...slog.Attr) Option {
	return func(s *spec) { s.listed, s.attrs = &name, slices.Clone(attrs) }
}

func (s *spec) listedAs() string {
	if s.listed == nil {
		return s.name
	}
	return *s.listed
}

// report sets the status of the cache among the client's recipes. It is called while the board's mutex is held, so the
// reports are in order.
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

// attrs returns further details about the cache, which are evaluated when they are displayed.
func (m *mirror) attrs() []slog.Attr {
	size := func() slog.Value { return slog.IntValue(m.view().root.count()) }
	refused := func() slog.Value { return slog.IntValue(m.view().refused.count()) }
	attrs := append([]slog.Attr{slog.Any("nodes", valuer(size)), slog.Any("refused", valuer(refused))}, m.spec.attrs...)
	return append(attrs, slog.Any("refused_nodes", valuer(m.refusals)))
}

// maxListed is how many refused nodes are listed with their reasons.
const maxListed = 20

// refusals returns a group of refused nodes and why they are refused, at most maxListed.
func (m *mirror) refusals() slog.Value {
	var list []slog.Attr
	m.view().refused.each(func(_ string, r *refusal) bool {
		list = append(list, slog.String(r.path, r.err.Error()))
		return len(list) < maxListed
	})
	return slog.GroupValue(list...)
}

// valuer is a function that is called when its value is displayed.
type valuer func() slog.Value

// LogValue implements slog.LogValuer.
func (f valuer) LogValue() slog.Value { return f() }
