package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/framework"
)

// base is what all parts have.
type base struct {
	*Play
	role string
	path string     // on the server
	r    *rand.Rand // for what all users of the part share
}

// plays notes that an option of the role is played.
func (b *base) plays(option string) { b.played(b.role + " " + option) }

// wants reports whether the play is about an option of the role.
func (b *base) wants(option string) bool { return b.target.role == b.role && b.target.option == option }

// drawn draws whether something shared has an option: once in n times, and whenever the play is about it.
func (b *base) drawn(option string, n int) bool {
	if !oneIn(b.r, n) && !b.wants(option) {
		return false
	}
	b.plays(option)
	return true
}

// may draws whether the user plays an option: once in n times, and more often if the play is about it.
func (u *user) may(option string, n int) bool {
	if u.wants(option) {
		n = min(n, 2)
	}
	if !oneIn(u.r, n) {
		return false
	}
	u.plays(option)
	return true
}

// oneOf draws one of several options; one that is empty stands for none. What the play is about comes more often.
func (u *user) oneOf(options ...string) string {
	option := options[u.r.IntN(len(options))]
	for _, other := range options {
		if other != "" && u.wants(other) && oneIn(u.r, 2) {
			option = other
		}
	}
	if option != "" {
		u.plays(option)
	}
	return option
}

// oneIn draws something that happens once in n times.
func oneIn(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// user is somebody who uses a recipe, on one of the clients.
type user struct {
	*base
	ctx      context.Context // the play's, or that of a process
	cli      *framework.Client
	client   int
	name     string
	r        *rand.Rand
	limited  bool // it waits for a lock for some time only
	stops    bool // it gives up when its session is lost
	relative bool // it leaves the slash at the front of its paths away
}

// newUser returns a user of a part. Its name is that of its client and what it is there.
func (b *base) newUser(client int, cli *framework.Client, what string) *user {
	name := fmt.Sprintf("%s %s %s", clientName(client), b.path, what)
	u := &user{base: b, ctx: b.ctx, cli: cli, client: client, name: name, r: b.w.Rand(name)}
	u.relative = u.may("relative path", 2)
	b.plays(b.Roots[client].String())
	for option := range b.tuned[client] {
		b.plays(option)
	}
	return u
}

// own is how the user writes a path of the server's.
func (u *user) own(server string) string {
	path := u.Roots[u.client].inside(server)
	if u.relative {
		return strings.TrimPrefix(path, "/")
	}
	return path
}

// abroad is the server's path for one that the client names.
func (u *user) abroad(path string) string { return u.Roots[u.client].outside(path) }

// away reports whether the user's client knows that it has no connection.
func (u *user) away() bool { return !u.cli.State().State.Connected() }

// awaySince reports whether the user's client had no connection at some time since then, as it knows.
func (u *user) awaySince(since time.Duration) bool {
	history := u.cli.History()
	for i, s := range history {
		until := u.w.Now()
		if i+1 < len(history) {
			until = history[i+1].Time.Sub(u.w.start)
		}
		if !s.State.Connected() && until >= since {
			return true
		}
	}
	return false
}

// present is when the present connection of the user's client was there, and when the one before it had ended, as the client knows. It is false
// if there is none.
func (u *user) present() (before, since time.Duration, ok bool) {
	history := u.cli.History()
	for i, s := range slices.Backward(history) {
		if i == len(history)-1 && !s.State.Connected() {
			return 0, 0, false
		}
		if !s.State.Connected() {
			return s.Time.Sub(u.w.start), history[i+1].Time.Sub(u.w.start), true
		}
	}
	return 0, 0, false
}

// say prefixes an error with who met it. What a server has answered with an odd code is no failure.
func (u *user) say(format string, args ...any) {
	if slices.ContainsFunc(args, u.oddlyAnswered) {
		return
	}
	u.fail(fmt.Errorf("%s: %w", u.name, fmt.Errorf(format, args...)))
}

// pause waits for d, or less if ctx ends or there is calm.
func (u *user) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-u.calm:
	}
}

// upTo draws a duration.
func (u *user) upTo(d time.Duration) time.Duration { return time.Duration(u.r.Int64N(int64(d))) }

// during calls f until there is calm.
func (u *user) during(f func()) {
	for !u.isCalm() && u.ctx.Err() == nil {
		f()
	}
}

// bounded derives a ctx that sometimes ends soon.
func (u *user) bounded() (context.Context, context.CancelFunc) {
	if oneIn(u.r, 4) {
		return context.WithTimeout(u.ctx, u.upTo(2*u.Timeout))
	}
	return context.WithCancel(u.ctx)
}

// rootPath is where everything happens on the server.
const rootPath = "/app"

// root is how a client comes to rootPath.
type root int

const (
	fromTop   root = iota // it names the whole path
	plain                 // the same
	namespace             // it has a namespace
	chroot                // its connect string ends with it
	below                 // it comes from another client
)

// rootNames are those of the options, by root.
var rootNames = []string{fromTop: "/", plain: "/", namespace: "namespace", chroot: "chroot", below: "Client.Namespace"}

func (r root) String() string { return rootNames[r] }

// tune changes a client's configuration.
func (r root) tune(c *framework.Config) {
	switch r {
	case namespace:
		c.Namespace = rootPath
	case chroot:
		c.ConnectString += rootPath
	}
}

// client is the client that the users get.
func (r root) client(cli *framework.Client) (*framework.Client, error) {
	if r == below {
		return cli.Namespace(rootPath)
	}
	return cli, nil
}

// tune draws options of a client, and sets them.
func (p *Play) tune(c *framework.Config, client int) {
	r := p.w.Rand(fmt.Sprint("options of ", clientName(client)))
	p.lists[client].all = p.w.Server.Addrs()
	options := make(map[string]bool)
	for _, o := range clientOptions {
		if oneIn(r, 4) || client == 0 && p.target.option == o.name || o.name == "Servers" && slices.Contains(p.listed, client) {
			options[o.name] = true
		}
	}
	p.tuned[client] = options
	p.setOptions(c, client)
}

// setOptions sets the options that were drawn for a client.
func (p *Play) setOptions(c *framework.Config, client int) {
	for _, o := range clientOptions {
		if p.tuned[client][o.name] {
			o.set(p, c, client)
		}
	}
}

// clientOptions are options of a client that what recipes do depends on.
var clientOptions = []struct {
	name string
	set  func(p *Play, c *framework.Config, client int)
}{
	{"PersistentParents", func(_ *Play, c *framework.Config, _ int) { c.PersistentParents = true }},
	{"TrustMargin", func(p *Play, c *framework.Config, _ int) { c.TrustMargin = p.Timeout / 8 }}, // which is half a tick at least
	{"Servers", func(p *Play, c *framework.Config, client int) {
		c.Servers, c.ServersRefresh = &p.lists[client], p.Timeout/4
	}},
	{"Prefer", func(p *Play, c *framework.Config, client int) {
		near := p.w.Server.Addrs()[client%p.Endpoints]
		c.ServersRefresh, c.Prefer = p.Timeout/4, func(_, address string) bool { return address == near }
	}},
	{"ReadOnly", func(_ *Play, c *framework.Config, _ int) { c.ReadOnly = true }},
	{"RebalanceAfter", func(p *Play, c *framework.Config, _ int) { c.RebalanceAfter = p.Timeout }},
}

// inside is a path of the server's as the client names it.
func (r root) inside(server string) string {
	if r >= namespace {
		return strings.TrimPrefix(server, rootPath)
	}
	return server
}

// outside is a path of the client's as the server has it.
func (r root) outside(path string) string {
	path = framework.Join("/", path)
	if r >= namespace {
		return rootPath + path
	}
	return path
}
