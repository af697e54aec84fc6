package histories

import (
	"context"
	"sync"
)

// tenure notes the end of something that is held: when its context ends, or before it is given back, whichever is first.
type tenure struct {
	note func() *Call

	mu    sync.Mutex
	call  *Call
	void  bool
	watch func() bool // stops to wait for the context
}

// begin starts a tenure. A deaf holder does not hear its context.
func (a *actor) begin(ctx context.Context, note func() *Call) *tenure {
	t := &tenure{note: note, watch: func() bool { return true }}
	if a.Mutant != Deaf {
		t.watch = context.AfterFunc(ctx, t.end)
	}
	return t
}

// end notes the end, once.
func (t *tenure) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.call == nil && !t.void {
		t.call = t.note()
		t.call.End(nil)
	}
}

// cancel says that it has not ended but turned into another one.
func (t *tenure) cancel() {
	t.watch()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.void = true
	if t.call != nil {
		t.call.Drop()
	}
}
