package cache

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"

	"github.com/docent-zk/docent/framework"
)

// Option is an option of every kind of cache: [Gunzip], [NoWait] or [ListedAs].
type Option func(*spec)

// ChildrenOption is an option of OpenChildren: an [Option], [Filter], [StatsOnly], [Parallel], [QueueBound] or [OneShot].
type ChildrenOption interface{ applyChildren(*spec) }

// TreeOption is an option of Open: a [ChildrenOption] or [Depth].
type TreeOption interface{ applyTree(*spec) }

// ValueOption is an option of OpenValue: an [Option], [Validate], [DefaultOnDelete] or [AllowEmpty].
type ValueOption interface{ applyValue(*spec) }

type valueOption func(*spec)

func (o valueOption) applyValue(s *spec) { o(s) }

// NodesOption is an option of caches of several nodes.
type NodesOption func(*spec)

// DepthOption is an option of caches of several levels.
type DepthOption func(*spec)

func (o Option) applyChildren(s *spec)      { o(s) }
func (o Option) applyTree(s *spec)          { o(s) }
func (o Option) applyValue(s *spec)         { o(s) }
func (o NodesOption) applyChildren(s *spec) { o(s) }
func (o NodesOption) applyTree(s *spec)     { o(s) }
func (o DepthOption) applyTree(s *spec)     { o(s) }

// Validate calls check for each value that the codec has decoded. If check returns an error, the value is rejected and
// the last good value stays in use. check must take the Value's type. It is called in the same goroutine as the codec.
func Validate[T any](check func(value T) error) ValueOption {
	return valueOption(func(s *spec) { s.check = check })
}

// DefaultOnDelete makes the default the value when the node is deleted. Without it, the last good value stays. It
// applies to [OpenValueOr].
func DefaultOnDelete() ValueOption { return valueOption(func(s *spec) { s.defaultOnDelete = true }) }

// AllowEmpty passes empty data to the codec. Without it, a Value rejects empty data with [ErrEmpty].
func AllowEmpty() ValueOption { return valueOption(func(s *spec) { s.allowEmpty = true }) }

// Gunzip decompresses the data of each node, as written by Curator's clients with compression. A node whose data is not
// gzip, or exceeds 64 MiB when decompressed, is refused with [ErrNotGzip]. Empty data stays empty.
func Gunzip() Option { return func(s *spec) { s.gunzip = true } }

// NoWait opens the cache without waiting. It may be empty, and is stale, until Synced.
func NoWait() Option { return func(s *spec) { s.noWait = true } }

// Filter excludes every node below the root for whose path keep returns false, with all nodes below it. keep is called
// often, from the cache's goroutine. It must return immediately, and always return the same for a path. If it panics,
// this is logged and counted, and the node's membership does not change.
func Filter(keep func(path string) bool) NodesOption {
	return func(s *spec) { s.filter, s.filtered = keep, true }
}

// StatsOnly reads no data: nodes have only their Stat.
func StatsOnly() NodesOption { return func(s *spec) { s.statsOnly = true } }

// Parallel sets the maximum number of concurrent read requests, which must be positive. A request that reads many nodes
// (see "Requests" in the package documentation) counts once, and there are at most four of these.
// Defaults to 64.
func Parallel(reads int) NodesOption { return func(s *spec) { s.parallel = reads } }

// QueueBound sets how many steps of the cache are queued for a listener before further ones are merged. It must be
// positive.
// Defaults to 1024.
func QueueBound(steps int) NodesOption { return func(s *spec) { s.bound = steps } }

// OneShot uses one-shot watches even if the servers support recursive watches.
func OneShot() NodesOption { return func(s *spec) { s.oneShot = true } }

// Depth sets how many levels below the root are cached; 0 means the root only.
// Defaults to all.
func Depth(levels int) DepthOption { return func(s *spec) { s.depth = levels } }

// maxUnpacked bounds the size of decompressed data, in bytes.
var maxUnpacked = 64 << 20 // tests lower it

// spec says what is cached, and how. It does not change.
type spec struct {
	name      string // of the recipe
	root      string
	depth     int
	filter    func(path string) bool
	filtered  bool // there is a filter
	statsOnly bool
	gunzip    bool
	noWait    bool
	oneShot   bool
	parallel  int
	bound     int
	listed    *string // name for framework.Client.Recipes; nil for that of the recipe
	attrs     []slog.Attr

	check           any // func(T) error, for a Value of T
	defaultOnDelete bool
	allowEmpty      bool
}

func newSpec(name, root string, depth int) spec {
	return spec{name: name, root: root, depth: depth, parallel: 64, bound: 1024, filter: func(string) bool { return true }}
}

func (s *spec) validate() error {
	switch err := framework.ValidatePath(s.root); {
	case err != nil:
		return err
	case s.depth < 0:
		return fmt.Errorf("a Depth of %d is negative", s.depth)
	case s.parallel < 1:
		return fmt.Errorf("Parallel(%d) is not positive", s.parallel)
	case s.bound < 1:
		return fmt.Errorf("QueueBound(%d) is not positive", s.bound)
	case s.listed != nil && *s.listed == "":
		return errors.New("the name of ListedAs is empty")
	case s.filter == nil:
		return errors.New("the Filter is nil")
	}
	return nil
}

// everyLevel is the depth of a cache without one.
const everyLevel = math.MaxInt

// covers reports whether path is the root or below it.
func (s *spec) covers(path string) bool {
	return s.root == "/" || path == s.root || strings.HasPrefix(path, s.root) && path[len(s.root)] == '/'
}

// relative returns a covered path relative to the root; "" for the root itself.
func (s *spec) relative(path string) string {
	return strings.TrimPrefix(path[len(strings.TrimSuffix(s.root, "/")):], "/")
}

// level returns how far below the root a covered path is.
func (s *spec) level(path string) int {
	rest := s.relative(path)
	if rest == "" {
		return 0
	}
	return 1 + strings.Count(rest, "/")
}

func (s *spec) parent(path string) string {
	parent, _ := framework.Split(path)
	return parent
}

// keeps reports whether the filter accepts a child of a node in the mirror.
func (s *spec) keeps(path string) bool { return !s.filtered || s.filter(path) }

// includes reports whether a node belongs into the mirror.
func (s *spec) includes(path string) bool {
	if !s.covers(path) || s.level(path) > s.depth {
		return false
	}
	for s.filtered && path != s.root {
		if !s.filter(path) {
			return false
		}
		path = s.parent(path)
	}
	return true
}

// Values of ephemeralOwner that stand for a kind of node instead of a session (ZooKeeper's EphemeralType).
const (
	containerOwner = math.MinInt64
	ttlOwner       = 0xff // in the first byte
)

// lists reports whether the children of a node are in the mirror. Ephemeral nodes have none.
func (s *spec) lists(node framework.Node) bool {
	owner := node.Stat.EphemeralOwner
	ephemeral := owner != 0 && owner != containerOwner && uint64(owner)>>56 != ttlOwner
	return !ephemeral && s.level(node.Path) < s.depth
}

// decoded returns a node as it is stored in the mirror.
func (s *spec) decoded(node framework.Node, err error) (framework.Node, error) {
	if err != nil || !s.gunzip || len(node.Data) == 0 {
		return node, err
	}
	node.Data, err = unpack(node.Data)
	if err != nil {
		err = fmt.Errorf("%s: %w", node.Path, err)
	}
	return node, err
}

func unpack(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotGzip, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, int64(maxUnpacked)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotGzip, err)
	case len(plain) > maxUnpacked:
		return nil, fmt.Errorf("%w of at most %d bytes", ErrNotGzip, maxUnpacked)
	}
	return plain, nil
}
