package cache

// AskAlways makes caches of any size ask what has changed, until it is undone.
func AskAlways() (undo func()) {
	former := fewNodes
	fewNodes = 0
	return func() { fewNodes = former }
}
