package discovery

import (
	"fmt"
	"slices"
	"time"
)

// view is what a Service shows at a moment. It does not change.
type view[T any] struct {
	endpoints []*Endpoint[T] // by key
	skipped   []Skipped      // by path
	missing   bool           // there is no directory
	stale     time.Time      // since when; zero if it is fresh
}

// why says why there is nothing to pick.
func (v *view[T]) why(path string) string {
	switch {
	case v.missing:
		return fmt.Sprintf("there is no node %s", path)
	case len(v.endpoints)+len(v.skipped) == 0:
		return "none is registered"
	}
	return fmt.Sprintf("%d disabled, %d skipped", len(v.endpoints), len(v.skipped))
}

// same reports whether two views show the same instances.
func (v *view[T]) same(other *view[T]) bool {
	return v.missing == other.missing && slices.Equal(v.endpoints, other.endpoints) &&
		slices.EqualFunc(v.skipped, other.skipped, func(a, b Skipped) bool {
			return a.Path == b.Path && a.Err.Error() == b.Err.Error()
		})
}
