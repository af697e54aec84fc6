package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/node"
)

// keptPart is a directory in which every client keeps nodes of its own.
type keptPart struct {
	*base
	keepers []*keeping
}

func drawKept(b *base) part { return &keptPart{base: b} }

func (k *keptPart) open() error { return nil }
func (k *keptPart) rested()     {}

func (k *keptPart) judge() error {
	var errs []error
	for _, kp := range k.keepers {
		errs = append(errs, kp.judge())
	}
	return errors.Join(errs...)
}

// keptModes are the modes by the names of the options.
var keptModes = map[string]framework.Mode{
	"mode Ephemeral": framework.Ephemeral, "mode EphemeralSequential": framework.EphemeralSequential, "mode Persistent": framework.Persistent,
	"mode PersistentSequential": framework.PersistentSequential, "mode Container": framework.Container,
}

// keepersOfOne is how many nodes a client keeps: enough for some of them to be created together.
const keepersOfOne = 4

func (k *keptPart) join(client int, cli *framework.Client) error {
	for i := range keepersOfOne {
		k.keep(client, cli, i)
	}
	return nil
}

// keep has the client keep its i-th node.
func (k *keptPart) keep(client int, cli *framework.Client, i int) {
	u := k.newUser(client, cli, fmt.Sprint("keeper ", i))
	mode := keptModes[u.oneOf(
		"mode Ephemeral", "mode Ephemeral", "mode EphemeralSequential", "mode Persistent", "mode PersistentSequential", "mode Container",
	)]
	kp := &keeping{user: u, dir: fmt.Sprintf("%s/%d-%d", k.path, client, i), mode: mode}
	switch {
	case mode == framework.Container && u.may("WithTTL", 2):
		kp.ttl = true
		kp.opts = append(kp.opts, node.WithTTL(u.Timeout/2))
	default:
		kp.opts = append(kp.opts, node.WithMode(mode))
	}
	// Without it a sequential node is found again only if it has an owner and nobody else uses its name.
	if mode == framework.PersistentSequential || u.may("Protected", 4) {
		kp.opts = append(kp.opts, node.Protected())
	}
	if u.may("Replace", 3) {
		kp.opts = append(kp.opts, node.Replace())
	}
	if u.may("WithACL", 8) {
		kp.opts = append(kp.opts, node.WithACL(framework.OpenACL()))
	}
	if u.may("ListedAs", 8) {
		kp.opts = append(kp.opts, node.ListedAs("registration"))
	}
	k.keepers = append(k.keepers, kp)
	k.users.Go(kp.work)
}

func (k *keptPart) grants() int {
	n := 0
	for _, kp := range k.keepers {
		n += len(k.w.Log.Dir(kp.dir))
	}
	return n
}

// keeping keeps one node, which is the only one in its directory.
type keeping struct {
	*user
	dir  string
	mode framework.Mode
	ttl  bool // the servers remove it when it was not renewed in time
	opts []node.Option
	sets int

	mu     sync.Mutex
	keeper *node.Keeper
	data   string // what was set last
	kept   []window
}

// window is a time in which the node was kept, from when it stood first to the call of Close.
type window struct{ from, to time.Duration }

// work keeps the node, writes to it, and now and then ends that and begins again.
func (k *keeping) work() {
	k.during(func() {
		ctx, cancel := k.bounded()
		defer cancel()
		k.begin(ctx)
	})
	if k.current() == nil {
		k.begin(k.ctx)
	}
	if keeper := k.current(); keeper != nil {
		k.set(k.ctx, keeper)
	}
	<-k.ctx.Done()
	k.close(k.late)
}

func (k *keeping) current() *node.Keeper {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keeper
}

// begin keeps the node, if it is not kept, and uses it for a while.
func (k *keeping) begin(ctx context.Context) {
	keeper := k.current()
	if keeper == nil {
		k.next()
		var err error
		keeper, err = node.Keep(ctx, k.cli, k.own(k.dir+"/node"), []byte(k.data), k.opts...)
		if err != nil {
			if ctx.Err() == nil {
				k.say("keep: %w", err)
			}
			k.pause(ctx, k.upTo(k.Timeout/4))
			return
		}
		k.mu.Lock()
		k.keeper = keeper
		k.kept = append(k.kept, window{from: k.w.Now()})
		k.mu.Unlock()
	}
	k.pause(k.ctx, k.upTo(k.Timeout))
	if k.may("Set", 2) {
		k.set(ctx, keeper)
	}
	if !k.isCalm() && k.may("Close", 6) {
		k.close(k.ctx)
	}
}

// next draws the data that is to stand.
func (k *keeping) next() {
	k.sets++
	k.mu.Lock()
	defer k.mu.Unlock()
	k.data = fmt.Sprintf("%s %d", k.name, k.sets)
}

func (k *keeping) set(ctx context.Context, keeper *node.Keeper) {
	k.next()
	if err := keeper.Set(ctx, []byte(k.data)); err != nil && ctx.Err() == nil {
		k.say("set: %w", err)
	}
}

// close gives the node up. Its result nil says that it is gone, or goes with its session.
func (k *keeping) close(ctx context.Context) {
	k.mu.Lock()
	keeper := k.keeper
	k.keeper = nil
	if keeper != nil {
		k.kept[len(k.kept)-1].to = k.w.Now()
	}
	k.mu.Unlock()
	if keeper == nil {
		return
	}
	if err := keeper.Close(ctx); err != nil {
		if ctx.Err() == nil {
			k.say("close: %w", err)
		}
		return
	}
	for _, life := range k.w.Log.Dir(k.dir) {
		if !life.Dead && life.Owner == 0 {
			k.say("closed, and %s", life.String())
		}
	}
}

// settled: every node stands, once, with the data that was set last, in the session of its client.
func (k *keptPart) settled() {
	for _, kp := range k.keepers {
		kp.mustStand()
	}
}

func (k *keeping) mustStand() {
	var alive []Life
	for _, life := range k.w.Log.Dir(k.dir) {
		if !life.Dead {
			alive = append(alive, life)
		}
	}
	keeper := k.current()
	switch {
	case keeper == nil:
		k.say("keeps nothing although all is calm")
	case len(alive) != 1:
		k.say("there are %d nodes: %v; %+v", len(alive), alive, keeper.Standing())
	case alive[0].Data != k.data:
		k.say("the node says %q in place of %q", alive[0].Data, k.data)
	case k.abroad(keeper.Path()) != alive[0].Path:
		k.say("%s in place of %s", alive[0].Path, keeper.Path())
	case !keeper.Standing().Stands:
		k.say("%s stands, and its keeper says %+v", alive[0].Path, keeper.Standing())
	case (k.mode == framework.Ephemeral || k.mode == framework.EphemeralSequential) && alive[0].Owner != keeper.Standing().Session:
		k.say("%s belongs to session %#x, not to %#x", alive[0].Path, alive[0].Owner, keeper.Standing().Session)
	}
}

// judge: while it was kept the node was taken away only by a fault, by the end of its session, or together with its
// replacement, in one transaction.
func (k *keeping) judge() error {
	var errs []error
	for _, life := range k.w.Log.Dir(k.dir) {
		if swept := k.ttl && life.By == 0; !life.Dead || life.Ending || life.Forced || life.replaced || swept {
			continue
		}
		for _, w := range k.kept {
			if life.Died > w.from && (w.to == 0 || life.Died < w.to) {
				errs = append(errs, fmt.Errorf("%s: absent without need: %s", k.name, life.String()))
			}
		}
	}
	return errors.Join(errs...)
}
