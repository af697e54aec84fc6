package discovery

import "slices"

// many is the number of changes from which on it is cheaper to build a new roster.
const many = 64

// register returns the roster of readable instances after the nodes with some keys have changed.
func (f *follower[T]) register(keys map[string]struct{}) roster[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	shown := f.view.endpoints
	together := len(keys) > many && len(keys) > len(f.members)/many
	for key := range keys {
		m := f.members[key]
		f.note(key, m)
		switch {
		case together:
		case m != nil && m.err == nil:
			shown = shown.with(m.endpoint)
			f.enlist(m.endpoint)
		default:
			shown = shown.without(key)
			f.delist(key)
		}
	}
	if together {
		shown = f.enlistAll()
	}
	return shown
}

// note records why a member is skipped, if it is, and whether it is in service.
func (f *follower[T]) note(key string, m *member[T]) {
	delete(f.broken, key)
	if m == nil {
		return
	}
	m.state.inService = m.err == nil && !m.endpoint.Disabled
	if m.err != nil {
		f.broken[key] = m.err
	}
}

// forget drops a member whose node is gone.
func (f *follower[T]) forget(key string) {
	if m := f.members[key]; m != nil {
		f.mu.Lock()
		m.state.inService = false
		f.mu.Unlock()
	}
	delete(f.members, key)
	delete(f.unread, key)
}

// instanceOf returns the instance with condition c; nil if it is not readable any more.
func (f *follower[T]) instanceOf(c *condition) *Endpoint[T] {
	if m := f.members[c.key]; m != nil && m.state == c && m.err == nil {
		return m.endpoint
	}
	return nil
}

// enlist adds an instance to those that are picked, if it is in service and not ejected.
func (f *follower[T]) enlist(e *Endpoint[T]) {
	if e == nil {
		return
	}
	if !pickable(e) {
		f.delist(e.key)
		return
	}
	f.in.put(e)
	if f.nearby(e) {
		f.near.put(e)
	} else {
		f.near.drop(e.key)
	}
}

// pickable reports whether an instance is in service and not ejected.
func pickable[T any](e *Endpoint[T]) bool { return e.state.inService && e.state.out.IsZero() }

// nearby reports whether an instance is in the preferred zone.
func (f *follower[T]) nearby(e *Endpoint[T]) bool { return f.zone != "" && e.zone == f.zone }

// delist removes an instance from those that are picked.
func (f *follower[T]) delist(key string) {
	f.in.drop(key)
	f.near.drop(key)
}

// enlistAll does register and enlist for all members.
func (f *follower[T]) enlistAll() roster[T] {
	var shown, in, near []*Endpoint[T]
	for _, m := range f.members {
		if m.err == nil {
			shown = append(shown, m.endpoint)
		}
	}
	slices.SortFunc(shown, byKey)
	for _, e := range shown {
		if !pickable(e) {
			continue
		}
		in = append(in, e)
		if f.nearby(e) {
			near = append(near, e)
		}
	}
	f.in, f.near = newPool(in), newPool(near)
	return newRoster(shown)
}

// candidates returns the instances to pick from: those in the preferred zone, unless none of them may be called.
func (f *follower[T]) candidates() roster[T] {
	if f.near.count() > 0 && (f.near.weighty > 0 || f.in.weighty == 0) {
		return f.near.roster
	}
	return f.in.roster
}
