package compat_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/sasl"
	"github.com/docent-zk/docent/zktest"
)

// capability is something that not all servers can do.
type capability struct {
	name  string
	needs string // what docent uses it for
	// since is the first version of ZooKeeper that has it, and option what has to be configured there.
	since  version
	option string
	keeper string // what the documentation of ClickHouse Keeper, and its tracker, say
	// with and without are servers that have it and servers that do not; client is the client that uses it.
	with, without func(*zktest.Config)
	spoil         func(*zktest.Server) // makes a server that runs one without it
	client        func(*framework.Config)
	// use uses it. On a server without it, docent falls back if use succeeds all the same, and else refuses with the error.
	use func(p *player) error
	// instead is what docent does without it, if it is nothing that Client.Info lists.
	instead string
	local   bool // the real server would need a configuration that other tests give it
}

// lacks makes servers that do not know a request.
func lacks(op zktest.Op) func(*zktest.Config) {
	return func(c *zktest.Config) { c.Lacks = []zktest.Op{op} }
}

// capabilities is the first table.
var capabilities = []capability{
	{name: "create2", needs: "the Stat of a created node", since: "3.5.0", keeper: since2026, without: lacks(zktest.OpCreate2), use: createNode},
	{name: "createContainer, for parents", needs: "`framework.Parents`", since: "3.5.3", keeper: since2026, without: lacks(zktest.OpCreateContainer), use: createParents},
	{name: "createContainer, for a node", needs: "mode `Container`", since: "3.5.3", keeper: since2026, without: lacks(zktest.OpCreateContainer), use: createContainer},
	{name: "createTTL", needs: "TTL modes", since: "3.5.3", option: "extendedTypesEnabled", keeper: since2026, without: lacks(zktest.OpCreateTTL), use: createTTL},
	{name: "addWatch, for caches", needs: "`cache`, `discovery`", since: "3.6.0", keeper: since2026, without: lacks(zktest.OpAddWatch), use: cacheTree},
	{name: "addWatch, for your own watches", needs: "`Session.WatchTree`", since: "3.6.0", keeper: since2026, without: lacks(zktest.OpAddWatch), use: watchTree},
	{name: "one-shot watches beside recursive ones (ZOOKEEPER-4466)", needs: "`Session.WatchTree`", since: "3.9.0", keeper: undocumented,
		without: func(c *zktest.Config) { c.Watches = zktest.LastWins }, use: watchBoth,
		instead: "events of the recursive watch also serve one-shot watches on its path"},
	{name: "setWatches", needs: "watches after a reconnect", since: "3.5.0", keeper: since2026, without: lacks(zktest.OpSetWatches), use: watchOverReconnect},
	{name: "setWatches2", needs: "recursive watches after a reconnect", since: "3.6.0", keeper: since2026, without: lacks(zktest.OpSetWatches2), use: watchTreeOverReconnect},
	{name: "removeWatches", needs: "`Watch.Stop`, `TreeWatch.Stop`", since: "3.5.0", keeper: since2026, without: lacks(zktest.OpRemoveWatches), use: stopWatch},
	{name: "multiRead", needs: "`MultiRead`, `cache`", since: "3.6.0", keeper: "yes", without: lacks(zktest.OpMultiRead), use: readMany},
	{name: "getEphemerals", needs: "`Ephemerals`", since: "3.6.0", keeper: "no", without: lacks(zktest.OpGetEphemerals), use: listEphemerals},
	{name: "getAllChildrenNumber", needs: "`Descendants`", since: "3.6.0", keeper: "no", without: lacks(zktest.OpGetAllChildrenNumber), use: countTree},
	{name: "whoAmI", needs: "`WhoAmI`", since: "3.7.0", keeper: "no", without: lacks(zktest.OpWhoAmI), use: whoAmI},
	{name: "SASL", needs: "`Config.SASL`", since: "3.5.0", option: "a JAAS file", keeper: "no", use: authenticate, local: true,
		with:   func(c *zktest.Config) { c.SASLUsers = map[string]string{"orders": "the s3cr3t"} },
		client: func(c *framework.Config) { c.SASL = sasl.DigestMD5("orders", "the s3cr3t") }},
	{name: "the ensemble's configuration in /zookeeper/config", needs: "`Config.FollowEnsemble`", since: "3.5.0", option: "a dynamic configuration", keeper: "in /keeper/config, which docent does not read",
		client: func(c *framework.Config) { c.FollowEnsemble = true }, use: keepServers, local: true, instead: "the client keeps its list of servers, and the log says why"},
	{name: "sessions that are resumed", needs: "everything that a session holds, `Config.SessionFile`", since: "3.5.0", keeper: "not always (its issue 116690)",
		spoil: forgetSessions, use: resumeSession},
	{name: "hard limits of quotas", needs: "`SetQuota`", since: "3.7.0", option: "enforceQuota", keeper: "no", use: exceedQuota, local: true,
		with: func(c *zktest.Config) { c.EnforceQuota = true }, instead: "the servers refuse nothing, but count the usage"},
}

const (
	since2026    = "since 2026"
	undocumented = "not documented"
)

func createNode(p *player) error {
	node, err := p.cli.Create(p.ctx, "/compat-", nil, framework.PersistentSequential)
	if err == nil && node.Stat.Czxid == 0 {
		return errors.New("it has no Stat")
	}
	return err
}

func createParents(p *player) error {
	_, err := p.cli.Create(p.ctx, "/parents/of/node", nil, framework.Parents)
	return err
}

func createContainer(p *player) error {
	_, err := p.cli.Create(p.ctx, "/container", nil, framework.Container)
	return err
}

func createTTL(p *player) error {
	_, err := p.cli.Create(p.ctx, "/brief", nil, framework.PersistentTTL, framework.WithTTL(time.Hour))
	return err
}

// tree is a small tree.
func tree(p *player) {
	for _, path := range []string{"/tree", "/tree/a", "/tree/a/b"} {
		_, err := p.cli.Create(p.ctx, path, nil)
		require.NoError(p, err)
	}
}

func cacheTree(p *player) error {
	tree(p)
	c, err := cache.Open(p.ctx, p.cli, "/tree")
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := p.cli.Create(p.ctx, "/tree/a/c", nil); err != nil {
		return err
	}
	if err := c.Sync(p.ctx); err != nil {
		return err
	}
	if _, there := c.Get("/tree/a/c"); !there {
		return errors.New("the cache has not followed")
	}
	return nil
}

func watchTree(p *player) error {
	tree(p)
	w, err := p.session().WatchTree(p.ctx, "/tree")
	if err != nil {
		return err
	}
	defer w.Stop()
	return changed(p, w, "/tree/a/b")
}

// changed sets a node and waits for the event.
func changed(p *player, w *framework.TreeWatch, path string) error {
	for range 3 { // an event before the watch is in force again is a reset
		if _, err := p.cli.Set(p.ctx, path, nil, framework.AnyVersion); err != nil {
			return err
		}
		ev, err := w.Next(p.ctx)
		if err != nil {
			return err
		}
		if ev.Type == framework.EventDataChanged && ev.Path == path {
			return nil
		}
	}
	return errors.New("the change is not told")
}

func watchBoth(p *player) error {
	tree(p)
	w, err := p.session().WatchTree(p.ctx, "/tree")
	if err != nil {
		return err
	}
	defer w.Stop()
	_, once, err := p.session().WatchData(p.ctx, "/tree")
	if err != nil {
		return err
	}
	if err := changed(p, w, "/tree"); err != nil {
		return err
	}
	if ev := <-once.C; ev.Type != framework.EventDataChanged {
		return fmt.Errorf("the one-shot watch has told %v", ev)
	}
	return changed(p, w, "/tree/a/b")
}

// overReconnect breaks the connection and waits for the next.
func overReconnect(p *player) error {
	changes := p.cli.States(p.ctx)
	<-changes
	p.cut()
	for ch := range changes {
		if ch.State == framework.Reconnected {
			return nil
		}
	}
	return p.ctx.Err()
}

// forgetSessions makes a server that gives a new session to a client that comes back with an old one.
func forgetSessions(s *zktest.Server) {
	s.RenewSessions()
	s.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Stage == zktest.Request && f.Op == zktest.OpConnect {
			for _, session := range s.Sessions() {
				s.ExpireSession(session.ID)
			}
		}
		return zktest.Pass
	})
}

func resumeSession(p *player) error {
	s := p.session()
	changes := p.cli.States(p.ctx)
	<-changes
	p.cut()
	for ch := range changes {
		if ch.State.Connected() {
			return s.Sync(p.ctx, "/")
		}
	}
	return p.ctx.Err()
}

func watchOverReconnect(p *player) error {
	tree(p)
	for range 2 { // what servers do not know is learnt by the first
		_, w, err := p.session().WatchData(p.ctx, "/tree")
		if err != nil {
			return err
		}
		if err := overReconnect(p); err != nil {
			return err
		}
		if _, err := p.cli.Set(p.ctx, "/tree", nil, framework.AnyVersion); err != nil {
			return err
		}
		if ev := <-w.C; ev.Type != framework.EventDataChanged {
			return fmt.Errorf("the watch has told %v", ev)
		}
	}
	return nil
}

func watchTreeOverReconnect(p *player) error {
	tree(p)
	w, err := p.session().WatchTree(p.ctx, "/tree")
	if err != nil {
		return err
	}
	defer w.Stop()
	if err := overReconnect(p); err != nil {
		return err
	}
	if ev, err := w.Next(p.ctx); err != nil || ev.Type != framework.EventReset {
		return cmp.Or(err, fmt.Errorf("the watch has told %v", ev))
	}
	return changed(p, w, "/tree/a/b")
}

func stopWatch(p *player) error {
	if err := watchTree(p); err != nil {
		return err
	}
	return p.cli.Sync(p.ctx, "/tree") // behind the request that takes the watch back
}

func readMany(p *player) error {
	tree(p)
	results, err := p.cli.MultiRead(p.ctx, []framework.ReadOp{framework.GetOp("/tree/a"), framework.ChildrenOp("/tree")})
	if err == nil && (results[0].Err != nil || len(results[1].Children) != 1) {
		return fmt.Errorf("the results are %v", results)
	}
	return err
}

func listEphemerals(p *player) error {
	_, err := p.cli.Ephemerals(p.ctx, "/")
	return err
}

func countTree(p *player) error {
	tree(p)
	n, err := p.cli.Descendants(p.ctx, "/tree")
	if err == nil && n != 2 {
		return fmt.Errorf("there are %d", n)
	}
	return err
}

func whoAmI(p *player) error {
	_, err := p.cli.WhoAmI(p.ctx)
	return err
}

func authenticate(p *player) error {
	_, err := p.cli.Get(p.ctx, "/")
	if refused := (*framework.AuthError)(nil); errors.As(err, &refused) {
		return refused // which says it once, and without the state of the connection
	}
	return err
}

func keepServers(p *player) error {
	before := p.cli.Info().Servers
	if err := p.cli.Sync(p.ctx, "/"); err != nil {
		return err
	}
	if now := p.cli.Info().Servers; !slices.Equal(before, now) || len(now) == 0 {
		return fmt.Errorf("the servers are %v", now)
	}
	return nil
}

func exceedQuota(p *player) error {
	tree(p)
	if err := p.cli.SetQuota(p.ctx, "/tree", framework.Quota{HardNodes: 3}); err != nil {
		return err
	}
	_, err := p.cli.Create(p.ctx, "/tree/d", nil)
	if errors.Is(err, framework.ErrQuotaExceeded) {
		return nil
	}
	return err
}
