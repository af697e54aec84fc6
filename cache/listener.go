package cache

import "context"

// Events delivers the current contents as Added events, and then every change, as the package documentation says. The
// channel is closed when ctx ends and when the cache ends.
func (n nodes) Events(ctx context.Context) <-chan Event {
	m, out := n.m, make(chan Event)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(m.life, cancel)
	if !m.board.listen(m.spec.bound, func(now *view, f *feed[*view]) {
		defer close(out)
		defer cancel()
		defer stop()
		(&listener{root: m.spec.root, out: out, known: &view{}}).follow(ctx, now, f)
	}) {
		stop()
		cancel()
		close(out)
	}
	return out
}

// listener is one call of Events.
type listener struct {
	root  string
	out   chan<- Event
	known *view // the view that has been delivered
}

// follow delivers the current view, and then each step, until ctx ends.
func (l *listener) follow(ctx context.Context, now *view, f *feed[*view]) {
	for ok := l.tell(ctx, now); ok; {
		var s step[*view]
		if s, ok = f.next(ctx); !ok {
			return
		}
		if s.missed > 0 {
			ok = l.send(ctx, Event{Type: Lagged, Path: l.root, Missed: s.missed})
		}
		ok = ok && l.tell(ctx, s.value)
	}
}

// tell sends the differences to now.
func (l *listener) tell(ctx context.Context, now *view) bool {
	known := l.known
	l.known = now
	return differences(l.root, known, now, func(ev Event) bool { return l.send(ctx, ev) })
}

func (l *listener) send(ctx context.Context, ev Event) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case l.out <- ev:
		return true
	case <-ctx.Done():
		return false
	}
}
