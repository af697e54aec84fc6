package debugpage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/seqnode"
)

const (
	maxPlaces = 50   // that are read of a queue
	maxQueues = 1024 // that are remembered, beside those that a recipe stands in now
	maxCopies = 64   // of queues that are kept
)

// competing is all names that stand in some queue.
const competing = seqnode.ReadersWriters | seqnode.AnyElection | seqnode.Leases

// queueKey is a queue that one of the clients stands in.
type queueKey struct {
	client int
	path   string
}

// learn notes that a queue may be asked for. A recipe may be out of it, for a moment, when it is. Any one of the others is
// forgotten when they are too many: a process may come by any number of queues in its life.
func (h *handler) learn(k queueKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.known[k]; !ok && len(h.known) == maxQueues {
		for old := range h.known {
			delete(h.known, old)
			break
		}
	}
	h.known[k] = struct{}{}
}

// knows reports whether a queue may be asked for: because a recipe stands in it, or has stood in it.
func (h *handler) knows(clients []Client, k queueKey) bool {
	if k.client < 1 || k.client > len(clients) {
		return false
	}
	if slices.ContainsFunc(clients[k.client-1].Recipes, func(r Recipe) bool { return r.Queue == k.path }) {
		return true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.known[k]
	return ok
}

// queue reads a queue with the client of that number, the first one if there is none. clients are what is shown of them.
func (h *handler) queue(ctx context.Context, clients []Client, path, client string) *Queue {
	number, err := strconv.Atoi(cmp.Or(client, "1"))
	q := &Queue{Path: plain(path, maxText), Client: number, Places: []Place{}}
	if err != nil || !h.knows(clients, queueKey{number, path}) {
		q.Error = "no recipe of this client stands in such a queue"
		return q
	}
	cli := h.clients[number-1]
	local, ok := below(cli.Info().Namespace, path)
	if !ok {
		q.Error = fmt.Sprintf("it is not below %s, the namespace of this client", cli.Info().Namespace)
		return q
	}
	ctx, cancel := context.WithTimeout(ctx, h.QueueTimeout)
	defer cancel()
	return h.copies.get(ctx, queueKey{number, path}, q, func() {
		if err := h.read(ctx, cli.Client, local, q); err != nil {
			q.Error = text(err)
		}
		q.Time = stamp(time.Now())
	})
}

// below is a path as a client of the namespace knows it. It reports whether there is one.
func below(namespace, path string) (string, bool) {
	if namespace == "/" {
		return path, true
	}
	local, ok := strings.CutPrefix(path, namespace)
	return cmp.Or(local, "/"), ok && (local == "" || local[0] == '/')
}

func (h *handler) read(ctx context.Context, cli *framework.Client, dir string, q *Queue) error {
	names, _, err := cli.Children(ctx, dir)
	if errors.Is(err, framework.ErrNoNode) {
		return nil // nobody is there
	}
	if err != nil {
		return err
	}
	order, others := competing.Arrange(names)
	order = seqnode.Places(order)
	q.Total, q.Others = len(order), len(others)
	order = order[:min(len(order), maxPlaces)]
	if len(order) == 0 {
		return nil
	}
	reads := make([]framework.ReadOp, len(order))
	for i, name := range order {
		reads[i] = framework.GetOp(framework.Join(dir, name.Full))
	}
	results, err := cli.MultiRead(ctx, reads)
	if err != nil {
		return err
	}
	return h.places(q, order, results)
}

// places adds the places of a queue, from the nodes that were read.
func (h *handler) places(q *Queue, order []seqnode.Name, results []framework.ReadResult) error {
	owners := h.owners()
	roles := newCast()
	for i, r := range results {
		if errors.Is(r.Err, framework.ErrNoNode) {
			q.Total--
			continue // has left meanwhile
		}
		if r.Err != nil {
			return r.Err
		}
		name, stat := order[i], r.Node.Stat
		p := Place{
			Position: len(q.Places) + 1, ID: plain(string(r.Node.Data), maxID), Node: plain(name.Full, maxID),
			Session: sessionID(stat.EphemeralOwner), Owner: owners[stat.EphemeralOwner], Token: seqnode.Token(stat.Czxid, 0),
			Since: stamp(time.UnixMilli(stat.Ctime)),
		}
		p.Role, p.WaitsFor = roles.give(name.Kind, p.Position)
		q.Places = append(q.Places, p)
	}
	return nil
}

// owners are the names of the clients, by their sessions.
func (h *handler) owners() map[int64]string {
	owners := make(map[int64]string)
	for _, cli := range h.clients {
		if cli.Client != nil {
			owners[cli.State().SessionID] = cli.name
		}
	}
	delete(owners, 0)
	return owners
}

// cast says what the places of a queue do, one after the other.
type cast struct{ writer, last int }

func newCast() *cast { return &cast{} }

// give tells whether the next place holds, or whose end it waits for: a reader that of the nearest writer, everybody else that
// of the one before.
func (c *cast) give(kind seqnode.Kind, position int) (role string, waitsFor int) {
	switch {
	case seqnode.Leases.Has(kind):
		return "permit", 0
	case kind == seqnode.Read || kind == seqnode.KazooRead:
		waitsFor = c.writer
	default:
		waitsFor, c.writer = c.last, position
	}
	c.last = position
	if waitsFor == 0 {
		return "holds", 0
	}
	return "waits", waitsFor
}
