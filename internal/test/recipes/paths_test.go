package recipes_test

import (
	"context"
	pathpkg "path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/zktest"
)

// pair is two clients of one server that use a recipe together. The first one is given a relative path, the second one the same
// path with its leading slash.
type pair struct {
	*testing.T
	server   *zktest.Server
	one, two *framework.Client
	at       string // where the path is on the server
}

// relative and absolute are the paths of the recipe under test.
const (
	relative = "apps/subject"
	absolute = "/" + relative
)

// run plays one recipe in a chroot and a namespace of the server. Before that it prepares the server.
func run(t *testing.T, chroot, namespace string, play func(context.Context, *pair), prepare func(*pair)) {
	synctest.Test(t, func(t *testing.T) {
		server, err := zktest.StartMemory(zktest.Config{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Close()) })
		p := &pair{T: t, server: server, at: strings.TrimSuffix(framework.Join(chroot, namespace), "/") + absolute}
		p.one, p.two = p.client("one", chroot, namespace), p.client("two", chroot, namespace)
		prepare(p)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		play(ctx, p)
	})
}

// TestRelativePaths runs every recipe with a relative path, in a chroot, in a namespace, and in both.
func TestRelativePaths(t *testing.T) {
	for name, play := range plays {
		for place, in := range map[string]struct{ chroot, namespace string }{
			"root": {}, "chroot": {chroot: "/site"}, "namespace": {namespace: "tenant"},
			"chroot and namespace": {chroot: "/site/east", namespace: "tenant/blue"},
		} {
			t.Run(name+"/"+place, func(t *testing.T) { run(t, in.chroot, in.namespace, play, func(*pair) {}) })
		}
	}
}

// foreign are names of children that no recipe has made, though they contain the markers of some.
var foreign = []string{
	"block-7", "clock-skew", "lock-orders", "lock-", "latch-one", "lease-3", "lock-00000000001", "x__lock__1", "__READ__x", "__WRIT__",
	"block-0000000000", "release-0000000000", "subject-x", "subject0", "_c_x", "config", "0000000000",
}

// TestForeignChildren runs the recipes that create numbered nodes, or count nodes, beside children that are not theirs.
func TestForeignChildren(t *testing.T) {
	for name, play := range plays {
		if strings.Contains(name, "cache") || slices.Contains([]string{"group", "counter", "barrier", "discovery"}, name) {
			continue // a child of any name is data there, or there are no children
		}
		t.Run(name, func(t *testing.T) {
			run(t, "", "", play, func(p *pair) {
				for _, dir := range []string{"/apps", absolute, absolute + "/leases", absolute + "/locks", absolute + "/a", absolute + "/b"} {
					if strings.HasPrefix(name, "kept") && dir != "/apps" {
						continue // an ephemeral node has no children
					}
					_, err := p.two.Create(p.Context(), dir, nil, framework.Parents)
					require.NoError(p, err)
					for _, child := range foreign {
						_, err := p.two.Create(p.Context(), dir+"/"+child, nil, framework.Persistent)
						require.NoError(p, err)
					}
				}
			})
		})
	}
}

func (p *pair) client(name, chroot, namespace string) *framework.Client {
	cli, err := framework.New(framework.Config{
		ConnectString: p.server.ConnectString() + chroot, Namespace: namespace, SessionTimeout: timeout, Dialer: p.server.Client(name).Dial,
	})
	require.NoError(p, err)
	p.Cleanup(func() { require.NoError(p, cli.Close()) })
	require.NoError(p, cli.WaitConnected(p.Context()))
	return cli
}

// children are the names in the subject's directory on the server, or below it. Foreign ones are left out.
func (p *pair) children(below string) []string {
	names, err := p.server.Children(pathpkg.Clean(p.at + below))
	require.NoError(p, err)
	return slices.DeleteFunc(names, func(name string) bool {
		return slices.Contains(foreign, name) || slices.Contains([]string{"leases", "locks", "a", "b"}, name)
	})
}

// plays are the recipes, each as far as paths matter to it.
var plays = map[string]func(context.Context, *pair){
	"Mutex":                         func(ctx context.Context, p *pair) { p.mutex(ctx, 1) },
	"Mutex Shared":                  func(ctx context.Context, p *pair) { p.mutex(ctx, 2, lock.Shared()) },
	"Mutex LocalHandover":           func(ctx context.Context, p *pair) { p.mutex(ctx, 1, lock.LocalHandover(3)) },
	"RWMutex":                       func(ctx context.Context, p *pair) { p.readWrite(ctx, 1) },
	"RWMutex Shared":                func(ctx context.Context, p *pair) { p.readWrite(ctx, 2, lock.Shared()) },
	"Semaphore":                     semaphorePlay,
	"Semaphore with a shared limit": sharedSemaphorePlay,
	"Multi":                         func(ctx context.Context, p *pair) { p.multi(ctx) },
	"Multi Shared":                  func(ctx context.Context, p *pair) { p.multi(ctx, lock.Shared()) },
	"leader":                        func(ctx context.Context, p *pair) { p.election(ctx) },
	"leader Selector":               func(ctx context.Context, p *pair) { p.election(ctx, leader.Selector()) },
	"leader Shared":                 func(ctx context.Context, p *pair) { p.election(ctx, leader.Shared()) },
	"leader Run":                    runPlay,
	"kept node":                     func(ctx context.Context, p *pair) { p.keep(ctx, framework.Ephemeral) },
	"kept numbered node":            func(ctx context.Context, p *pair) { p.keep(ctx, framework.EphemeralSequential) },
	"kept protected node":           func(ctx context.Context, p *pair) { p.keep(ctx, framework.EphemeralSequential, node.Protected()) },
	"group":                         groupPlay,
	"barrier":                       barrierPlay,
	"double barrier":                doublePlay,
	"counter":                       counterPlay,
	"tree cache":                    treePlay,
	"children cache":                childrenPlay,
	"value cache":                   valuePlay,
	"discovery":                     discoveryPlay,
}

// held checks what a lock that has been granted says of its node.
func (p *pair) held(h *lock.Held, err error) *lock.Held {
	p.Helper()
	require.NoError(p, err)
	dir, name := framework.Split(h.Path())
	assert.Equal(p, absolute, dir)
	assert.Contains(p, p.children(""), name)
	return h
}

func (p *pair) mutex(ctx context.Context, nodes int, opts ...lock.Option) {
	one, two := lock.New(p.one, relative, opts...), lock.New(p.two, absolute, opts...)
	h := p.held(one.Lock(ctx))
	assert.Len(p, p.children(""), nodes)
	_, err := two.TryLock(ctx)
	require.ErrorIs(p, err, lock.ErrLocked)
	list, err := two.Contenders(ctx)
	require.NoError(p, err)
	require.Len(p, list, 1)
	require.NoError(p, one.Revoke(ctx, list[0]))
	<-h.Revoked()
	list[0].Path = strings.TrimPrefix(list[0].Path, "/")
	require.NoError(p, one.Revoke(ctx, list[0]))
	_, err = h.Set(ctx, "elsewhere", nil, framework.AnyVersion)
	require.ErrorIs(p, err, framework.ErrNoNode)
	require.NoError(p, h.Unlock(ctx))
	require.NoError(p, lock.Do(ctx, two, func(context.Context, *lock.Held) error {
		_, err := one.TryLock(ctx)
		assert.ErrorIs(p, err, lock.ErrLocked)
		return nil
	}))
	assert.Empty(p, p.children(""))
}

func (p *pair) readWrite(ctx context.Context, nodes int, opts ...lock.Option) {
	one, two := lock.NewRW(p.one, relative, opts...), lock.NewRW(p.two, absolute, opts...)
	writing := p.held(one.Lock(ctx))
	_, err := two.TryRLock(ctx)
	require.ErrorIs(p, err, lock.ErrLocked)
	reading, err := writing.Downgrade(ctx)
	p.held(reading, err)
	also := p.held(two.RLock(ctx))
	assert.Len(p, p.children(""), 2*nodes)
	_, err = one.TryLock(ctx)
	require.ErrorIs(p, err, lock.ErrLocked)
	require.NoError(p, reading.Unlock(ctx))
	require.NoError(p, also.Unlock(ctx))
	require.NoError(p, p.held(two.Lock(ctx)).Unlock(ctx))
}

func semaphorePlay(ctx context.Context, p *pair) {
	p.permits(ctx, lock.NewSemaphore(p.one, relative, 2), lock.NewSemaphore(p.two, absolute, 2))
}

func sharedSemaphorePlay(ctx context.Context, p *pair) {
	one, two := lock.NewSharedSemaphore(p.one, relative, "limits/subject"), lock.NewSharedSemaphore(p.two, absolute, "/limits/subject")
	require.NoError(p, one.SetLimit(ctx, 2))
	p.permits(ctx, one, two)
}

// permits takes both permits of a semaphore, one of them after the other was given back.
func (p *pair) permits(ctx context.Context, one, two *lock.Semaphore) {
	both, err := one.Acquire(ctx, 2)
	require.NoError(p, err)
	assert.Len(p, p.children("/leases"), 2)
	_, err = two.TryAcquire(ctx, 1)
	require.ErrorIs(p, err, lock.ErrLocked)
	unlocked := make(chan error, 1)
	time.AfterFunc(time.Second, func() { unlocked <- both.Unlock(ctx) })
	next, err := two.Acquire(ctx, 1)
	require.NoError(p, err)
	require.NoError(p, <-unlocked)
	require.NoError(p, next.Unlock(ctx))
}

func (p *pair) multi(ctx context.Context, opts ...lock.Option) {
	one := lock.NewMulti(p.one, []string{relative + "/a", absolute + "/a", relative + "/b"}, opts...)
	two := lock.NewMulti(p.two, []string{absolute + "/b"}, opts...)
	all, err := one.Lock(ctx)
	require.NoError(p, err)
	assert.Len(p, all.Paths(), 2, "the same path counts once")
	_, err = two.TryLock(ctx)
	require.ErrorIs(p, err, lock.ErrLocked)
	require.NoError(p, all.Unlock(ctx))
	next, err := two.Lock(ctx)
	require.NoError(p, err)
	require.NoError(p, next.Unlock(ctx))
}

// election runs in a bubble.
func (p *pair) election(ctx context.Context, opts ...leader.Option) {
	one := leader.New(p.one, relative, append(opts, leader.WithID("one"))...)
	two := leader.New(p.two, absolute, append(opts, leader.WithID("two"))...)
	three := leader.New(p.two, relative, append(opts, leader.WithID("three"))...)
	term, err := one.Campaign(ctx)
	require.NoError(p, err)
	won := make(chan *leader.Term)
	for _, e := range []*leader.Election{two, three} {
		go func() {
			if term, err := e.Campaign(ctx); err == nil {
				won <- term
			}
		}()
		time.Sleep(time.Second)
	}
	list, err := two.Participants(ctx)
	require.NoError(p, err)
	require.Len(p, list, 3)
	seen := two.Observe(ctx)
	assert.Equal(p, "one", (<-seen.C).ID)
	require.NoError(p, term.ResignTo(ctx, "three"), "past two")
	next := <-won
	assert.Equal(p, list[2].Path, next.Path())
	assert.Equal(p, "three", (<-seen.C).ID)
	require.NoError(p, next.Resign(ctx))
	last := <-won
	now, err := one.Leader(ctx)
	require.NoError(p, err)
	assert.Equal(p, "two", now.ID)
	require.NoError(p, last.Resign(ctx))
	assert.Empty(p, p.children(""))
}

func runPlay(ctx context.Context, p *pair) {
	two := leader.New(p.two, absolute)
	require.NoError(p, leader.Run(ctx, p.one, relative, func(ctx context.Context, term *leader.Term) error {
		now, err := two.Leader(ctx)
		require.NoError(p, err)
		assert.Equal(p, term.Path(), now.Path)
		return nil
	}))
	assert.Empty(p, p.children(""))
}

// keep runs in a bubble.
func (p *pair) keep(ctx context.Context, mode framework.Mode, opts ...node.Option) {
	k, err := node.Keep(ctx, p.one, relative, []byte("x"), append(opts, node.WithMode(mode))...)
	require.NoError(p, err)
	n, err := p.two.Get(ctx, k.Path())
	require.NoError(p, err)
	assert.Equal(p, n.Path, k.Path())
	assert.True(p, strings.HasPrefix(k.Path(), "/apps/"))
	require.True(p, p.server.ExpireSession(p.one.State().SessionID))
	time.Sleep(timeout)
	require.NoError(p, k.WaitStanding(ctx))
	require.NoError(p, k.Set(ctx, []byte("y")))
	assert.Len(p, p.children("/.."), 1)
	require.NoError(p, k.Close(ctx))
}

func groupPlay(ctx context.Context, p *pair) {
	k, err := node.Join(ctx, p.one, relative, "m", nil)
	require.NoError(p, err)
	assert.Equal(p, absolute+"/m", k.Path())
	for _, dir := range []string{relative, absolute} {
		members, err := node.Members(ctx, p.two, dir)
		require.NoError(p, err)
		assert.Len(p, members, 1)
		assert.Len(p, (<-node.WatchMembers(ctx, p.two, dir)).Members, 1)
	}
	require.NoError(p, k.Close(ctx))
}

func barrierPlay(ctx context.Context, p *pair) {
	one, two := barrier.New(p.one, relative), barrier.New(p.two, absolute)
	require.NoError(p, two.Set(ctx))
	removed := make(chan error, 1)
	time.AfterFunc(time.Second, func() { removed <- two.Remove(ctx) })
	at := time.Now()
	require.NoError(p, one.Wait(ctx))
	require.NoError(p, <-removed)
	assert.GreaterOrEqual(p, time.Since(at), time.Second)
}

func doublePlay(ctx context.Context, p *pair) {
	done := make(chan error, 2)
	for _, d := range []*barrier.Double{barrier.NewDouble(p.one, relative, 2), barrier.NewDouble(p.two, absolute, 2)} {
		go func() {
			in, err := d.Enter(ctx)
			if err == nil {
				err = in.Leave(ctx)
			}
			done <- err
		}()
	}
	require.NoError(p, <-done)
	require.NoError(p, <-done)
	assert.Empty(p, p.children(""))
}

func counterPlay(ctx context.Context, p *pair) {
	one, two := counter.NewInt(p.one, relative), counter.NewInt(p.two, absolute)
	changes := one.Changes(ctx)
	assert.Zero(p, (<-changes.C).Value)
	for _, c := range []*counter.Int{one, two} {
		_, err := c.Add(ctx, 3)
		require.NoError(p, err)
	}
	n, err := one.Get(ctx)
	require.NoError(p, err)
	assert.EqualValues(p, 6, n.Value)
	for (<-changes.C).Value != 6 {
	}
	require.NoError(p, one.Close(ctx))
	require.NoError(p, two.Close(ctx))
}

// grown creates two nodes below the subject.
func (p *pair) grown(ctx context.Context) {
	for _, name := range []string{"a", "b"} {
		_, err := p.two.Create(ctx, absolute+"/"+name, []byte("1"), framework.Parents)
		require.NoError(p, err)
	}
}

func treePlay(ctx context.Context, p *pair) {
	p.grown(ctx)
	tree, err := cache.Open(ctx, p.one, relative)
	require.NoError(p, err)
	defer tree.Close()
	assert.Equal(p, absolute, tree.Root())
	n, ok := tree.Get(absolute + "/a")
	assert.True(p, ok)
	assert.Equal(p, absolute+"/a", n.Path)
}

func childrenPlay(ctx context.Context, p *pair) {
	p.grown(ctx)
	c, err := cache.OpenChildren(ctx, p.one, relative)
	require.NoError(p, err)
	defer c.Close()
	names := 0
	for name, n := range c.Each() {
		assert.Equal(p, absolute+"/"+name, n.Path)
		names++
	}
	assert.Equal(p, 2, names)
}

func valuePlay(ctx context.Context, p *pair) {
	p.grown(ctx)
	v, err := cache.OpenValue(ctx, p.one, relative+"/a", cache.JSON[int]())
	require.NoError(p, err)
	defer v.Close()
	assert.Equal(p, 1, v.Load())
	assert.Equal(p, absolute+"/a", v.Path())
}

func discoveryPlay(ctx context.Context, p *pair) {
	one, two := discovery.New[any](p.one, relative), discovery.New[any](p.two, absolute)
	assert.Equal(p, absolute, one.BasePath())
	reg, err := one.Register(ctx, discovery.Instance[any]{Name: "s", ID: "i", Address: "h", Port: 80})
	require.NoError(p, err)
	assert.Equal(p, absolute+"/s/i", reg.Path())
	for _, r := range []*discovery.Registry[any]{one, two} {
		svc, err := r.Open(ctx, "s")
		require.NoError(p, err)
		assert.Len(p, slices.Collect(svc.Instances()), 1)
		require.NoError(p, svc.Close())
		list, _, err := r.Instances(ctx, "s")
		require.NoError(p, err)
		assert.Len(p, list, 1)
	}
	require.NoError(p, reg.Close(ctx))
}
