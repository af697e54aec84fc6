package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
)

// whoCommand shows a queue.
func (a *app) whoCommand() *cobra.Command {
	w := &who{app: a}
	cmd := &cobra.Command{
		Use: "who PATH", Short: "Show who holds a lock or leads, and who waits", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completePath,
		Long: "Who shows the queue at PATH: of a lock, a read/write lock, an election or a semaphore, made by docent, Curator, kazoo or " +
			"zk.Lock. Ephemeral nodes of other kinds, such as members of a group, are shown as present.\n\n" +
			"HOST is the address behind the session. The servers tell it to those who ask with the four-letter word cons, if their " +
			"configuration allows that (4lw.commands.whitelist). WHO is what the node itself says. SINCE is by the clock of the servers: " +
			"when the node was created, which for the holder is not when it acquired the lock, but when it began to wait.",
	}
	f := cmd.Flags()
	f.IntVar(&w.limit, "limit", 100, "show at most so many")
	f.IntVar(&w.permits, "permits", 0, "number of permits of a semaphore, to tell who holds from who waits")
	f.BoolVar(&w.noHosts, "no-hosts", false, "do not ask the servers for hosts")
	cmd.RunE = a.action(func(ctx context.Context, cli *framework.Client, args []string) error {
		path, err := node(args[0])
		if err != nil {
			return err
		}
		if w.limit < 1 || w.permits < 0 {
			return usagef("--limit must be positive, and --permits cannot be negative")
		}
		w.cli, w.path = cli, path
		return w.run(ctx)
	})
	return cmd
}

// who looks at one directory.
type who struct {
	*app
	limit, permits int
	noHosts        bool

	cli  *framework.Client
	path string
	kind string // what the directory is used as
	list []contender
}

// contender is one place in a queue.
type contender struct {
	State   string `json:"state"` // holds, leads, waits, present, or "holds or waits"
	Kind    string `json:"kind"`  // lock, read, write, election, permit, queue, node
	Label   string `json:"who,omitempty"`
	Session string `json:"session"`
	Host    string `json:"host,omitempty"`
	Since   string `json:"since"`
	Token   int64  `json:"token,string"`
	Node    string `json:"node"`

	id    int64
	since time.Time
}

// markers are the parts of names that tell what a node is for. A number follows each.
var markers = []struct{ marker, kind string }{
	{"latch-", "election"}, {"__READ__", "read"}, {"__rlock__", "read"}, {"__WRIT__", "write"}, {"__lock__", "lock"}, {"lock-", "lock"},
}

// kindOf is the kind of a node by its name, empty if it is not of a queue.
func kindOf(name string) string {
	for _, m := range markers {
		at := strings.LastIndex(name, m.marker)
		if at >= 0 && numbered(name[at+len(m.marker):]) {
			return m.kind
		}
	}
	return ""
}

// numbered reports whether s is a number as servers append it.
func numbered(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return len(s) >= 10 && strings.Trim(s, "0123456789") == ""
}

func (w *who) run(ctx context.Context) error {
	names, stat, err := w.cli.Children(ctx, w.path)
	if err != nil {
		return err
	}
	if stat.EphemeralOwner != 0 {
		err = w.self(ctx)
	} else {
		err = w.look(ctx, names)
	}
	if err != nil {
		return err
	}
	note := ""
	if !w.noHosts && len(w.list) > 0 {
		var hosts map[int64]string
		hosts, note = w.hosts(ctx)
		for i, c := range w.list {
			w.list[i].Host = hosts[c.id]
		}
	}
	return w.print(note)
}

// self shows the path itself, which is an ephemeral node.
func (w *who) self(ctx context.Context) error {
	parent, name := framework.Split(w.path)
	w.kind = "ephemeral node"
	return w.present(ctx, parent, []string{name})
}

// look asks the recipes that have nodes in the directory for their queues.
func (w *who) look(ctx context.Context, names []string) error {
	found := map[string]bool{}
	var rest []string
	for _, name := range names {
		kind := kindOf(name)
		found[kind] = true
		if kind == "" {
			rest = append(rest, name)
		}
	}
	switch {
	case found["read"] || found["write"]:
		return w.readWrite(ctx)
	case found["election"]:
		return w.election(ctx)
	case found["lock"]:
		w.kind = "lock"
		list, err := lock.New(w.cli, w.path).Contenders(ctx)
		w.add(list, "lock", "holds")
		return err
	case slices.Contains(names, "leases"):
		return w.semaphore(ctx)
	}
	w.kind = "node"
	return w.present(ctx, w.path, rest)
}

// add adds the contenders of a queue. has is the state of those that have what they want.
func (w *who) add(list []lock.Contender, kind, has string) {
	for _, c := range list {
		state := "waits"
		if c.Holds && has != "" {
			state = has
		}
		w.list = append(w.list, newContender(state, kind, string(c.Data), c.Session, c.Since, c.Token, c.Path))
	}
}

func newContender(state, kind, label string, id int64, since time.Time, token int64, path string) contender {
	return contender{
		State: state, Kind: kind, Label: strings.ToValidUTF8(label, "\uFFFD"), Session: session(id), Since: clock(since), Token: token, Node: path, id: id, since: since,
	}
}

func (w *who) readWrite(ctx context.Context) error {
	w.kind = "read/write lock"
	list, err := lock.NewRW(w.cli, w.path).Contenders(ctx)
	if err != nil {
		return err
	}
	w.add(list, "write", "holds")
	for i, c := range list {
		if c.Kind == lock.Read {
			w.list[i].Kind = "read"
		}
	}
	return nil
}

func (w *who) election(ctx context.Context) error {
	w.kind = "election"
	list, err := leader.New(w.cli, w.path).Participants(ctx)
	for i, p := range list {
		state := "waits"
		if i == 0 {
			state = "leads"
		}
		w.list = append(w.list, newContender(state, "election", p.ID, p.Session, p.Since, p.Token, p.Path))
	}
	return err
}

// semaphore shows the permits, and the queue for them. How many permits there are is not written anywhere, so without --permits
// the nodes of the first one in the queue may be permits that it holds or that it waits for.
func (w *who) semaphore(ctx context.Context) error {
	w.kind = "semaphore"
	limit := w.permits
	if limit == 0 {
		limit = math.MaxInt32
	}
	permits, err := lock.NewSemaphore(w.cli, w.path, limit).Contenders(ctx)
	if err != nil {
		return err
	}
	queue, err := lock.New(w.cli, framework.Join(w.path, "locks")).Contenders(ctx)
	if err != nil {
		return err
	}
	w.add(permits, "permit", "holds")
	if w.permits == 0 && len(queue) > 0 {
		for i, c := range w.list {
			if c.id == queue[0].Session {
				w.list[i].State = "holds or waits"
			}
		}
	}
	w.add(queue, "queue", "")
	return nil
}

// present shows ephemeral nodes in a directory.
func (w *who) present(ctx context.Context, dir string, names []string) error {
	slices.Sort(names)
	reads := make([]framework.ReadOp, len(names))
	for i, name := range names {
		reads[i] = framework.GetOp(framework.Join(dir, name))
	}
	results, err := w.cli.MultiRead(ctx, reads)
	for _, r := range results { // nodes that have gone, or may not be read, are left out
		if n := r.Node; r.Err == nil && n.Stat.EphemeralOwner != 0 {
			w.list = append(w.list, newContender("present", "node", string(n.Data), n.Stat.EphemeralOwner, time.UnixMilli(n.Stat.Ctime), n.Stat.Czxid, n.Path))
		}
	}
	return err
}

func (w *who) print(note string) error {
	more := max(len(w.list)-w.limit, 0)
	list := w.list[:len(w.list)-more]
	if w.asJSON {
		w.out.json(struct {
			Path string      `json:"path"`
			Kind string      `json:"kind"`
			List []contender `json:"list"`
			More int         `json:"more,omitempty"`
			Note string      `json:"note,omitempty"`
		}{w.path, w.kind, slices.Concat([]contender{}, list), more, note})
		return nil
	}
	if len(list) == 0 {
		w.out.printf("Nobody holds %s or waits for it.\n", w.shown(w.path))
		return nil
	}
	rows := make([][]string, len(list))
	for i, c := range list {
		_, name := framework.Split(c.Node)
		rows[i] = []string{
			fmt.Sprint(i + 1), c.State, c.Kind, c.Label, c.Session, c.Host, fmt.Sprintf("%s (%s)", c.Since, age(w.now().Sub(c.since))), name,
		}
	}
	w.out.table([]string{"#", "STATE", "KIND", "WHO", "SESSION", "HOST", "SINCE", "NODE"}, rows)
	if err := w.out.flush(); err != nil {
		return err
	}
	if note != "" {
		fmt.Fprintf(w.stderr, "docent: %s\n", note)
	}
	return w.left(more)
}
