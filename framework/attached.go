package framework

import "sync"

// attached holds what recipes share within one session: see recipekit.Attached.
type attached struct {
	mu     sync.Mutex
	values map[attachedKey]any
}

type attachedKey struct {
	space space
	key   any
}

// attachment implements recipekit.Attached.
func (s *Session) attachment(key any, create func() any) any {
	return s.e.attached.get(attachedKey{s.space, key}, create)
}

// get returns the value for a key. It creates the value if there is none.
func (a *attached) get(key attachedKey, create func() any) any {
	a.mu.Lock()
	defer a.mu.Unlock()
	v, ok := a.values[key]
	if ok {
		return v
	}
	if a.values == nil {
		a.values = make(map[attachedKey]any)
	}
	v = create()
	a.values[key] = v
	return v
}
