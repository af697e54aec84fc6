package cache

import "context"

// AskAlways makes caches of any size ask what has changed, until it is undone.
func AskAlways() (undo func()) {
	former := fewNodes
	fewNodes = 0
	return func() { fewNodes = former }
}

// EveryState calls f with every snapshot that the cache shows from now on, the present one first, until ctx ends.
func (n nodes) EveryState(ctx context.Context, f func(Snapshot)) (done <-chan struct{}) {
	ended := make(chan struct{})
	n.m.board.listen(1<<30, func(now *view, states *feed[*view]) {
		defer close(ended)
		for ok := true; ok; {
			f(Snapshot{now, n.m})
			var s step[*view]
			s, ok = states.next(ctx)
			now = s.value
		}
	})
	return ended
}

// UnpackAtMost makes caches refuse data that is longer than n bytes when it is unpacked, until it is undone.
func UnpackAtMost(n int) (undo func()) {
	former := maxUnpacked
	maxUnpacked = n
	return func() { maxUnpacked = former }
}
