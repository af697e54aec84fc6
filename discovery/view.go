package discovery

import (
	"fmt"
	"slices"
	"time"
)

// view is what a Service shows at one moment. It is immutable.
type view[T any] struct {
	endpoints roster[T]
	skipped   []Skipped // by path
	missing   bool      // there is no directory
	stale     time.Time // since when; zero if it is fresh
}

// why returns why no instance can be picked.
func (v *view[T]) why(path string) string {
	switch {
	case v.missing:
		return fmt.Sprintf("there is no node %s", path)
	case v.endpoints.count()+len(v.skipped) == 0:
		return "none is registered"
	}
	return fmt.Sprintf("%d disabled, %d skipped", v.endpoints.count(), len(v.skipped))
}

// same reports whether two views show the same instances.
func (v *view[T]) same(other *view[T]) bool {
	return v.missing == other.missing && v.endpoints.same(other.endpoints) &&
		sameSkipped(v.skipped, other.skipped)
}

func sameSkipped(a, b []Skipped) bool {
	return slices.EqualFunc(a, b, func(a, b Skipped) bool { return a.Path == b.Path && a.Err.Error() == b.Err.Error() })
}
