package cache

// AskAlways makes caches of any size ask what has changed, until it is undone.
func AskAlways() (undo func()) {
	former := fewNodes
	fewNodes = 0
	return func() { fewNodes = former }
}

// UnpackAtMost makes caches refuse data that is longer than n bytes when it is unpacked, until it is undone.
func UnpackAtMost(n int) (undo func()) {
	former := maxUnpacked
	maxUnpacked = n
	return func() { maxUnpacked = former }
}
