package interop

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
)

// side is those who follow the same rule in a test of critical sections: see the package comment.
type side struct {
	tag      string   // what their marks begin with
	against  []string // whose marks are counted
	limit    int      // how many of them may be there; Curator's and docent's own mark is one of its tag
	marks    int      // how many marks one of them puts up; 0 stands for 1
	counters []string // which counters they count up
	times    int      // the sections of each of them, besides the one to begin with
	each     []participant
}

// participant begins its sections, so many of them, under the rule of its side.
type participant func(times int, rule side) *call

// of is a side with the same rule and with these participants.
func (s side) of(tag string, each ...participant) side {
	s.tag, s.each = tag, each
	return s
}

// board is where they meet, and counterAt where a counter is.
func (s side) board(path string) string { return path + "/board" }

func counterAt(path, name string) string { return path + "/" + name }

// words are the side's rule for a peer.
func (s side) words(path, name string) []any {
	var counters []string
	for _, c := range s.counters {
		counters = append(counters, counterAt(path, c))
	}
	return []any{s.board(path), s.tag, name, max(1, s.marks), strings.Join(s.against, ","), s.limit, strings.Join(counters, ",")}
}

// theirs is a participant of another language with a lock of that kind.
func theirs(p *party, kind, path string) participant {
	return func(times int, rule side) *call {
		args := append([]any{kind, path + "/lock", times}, rule.words(path, strings.ReplaceAll(p.name[strings.LastIndex(p.name, "-")+1:], "/", ""))...)
		return p.begin("sections", args...)
	}
}

// ours is a participant that uses docent.
func ours(w *world, path string, take taker) participant {
	cli := w.client()
	acquire := take(cli, path+"/lock")
	return goSections(w, cli, path, func(ctx context.Context) (func() error, error) {
		held, err := acquire(ctx)
		if err != nil {
			return nil, err
		}
		return func() error { return held.Unlock(ctx) }, nil
	})
}

// zkLocks is a participant that uses go-zookeeper's zk.Lock.
func zkLocks(w *world, path string) participant {
	conn, root := w.zkConn()
	return goSections(w, w.client(), path, func(context.Context) (func() error, error) {
		m := zk.NewLock(conn, root+path+"/lock", zk.WorldACL(zk.PermAll))
		return m.Unlock, m.Lock()
	})
}

// goSections is a participant here, with a client for what it does in its sections.
func goSections(w *world, cli *framework.Client, path string, acquire func(context.Context) (func() error, error)) participant {
	name := fmt.Sprint(parties.Add(1))
	ctx := within(w.t)
	return func(times int, rule side) *call {
		return beside("sections of "+rule.tag, func() error {
			for range times {
				release, err := acquire(ctx)
				if err != nil {
					return err
				}
				if err := errors.Join(section(ctx, cli, path, name, rule), release()); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// section is what is done while the lock is held.
func section(ctx context.Context, cli *framework.Client, path, name string, rule side) error {
	var leave []framework.Op
	for i := range max(1, rule.marks) {
		mark := fmt.Sprintf("%s/%s-%s-%d", rule.board(path), rule.tag, name, i)
		if _, err := cli.Create(ctx, mark, nil, framework.Ephemeral); err != nil {
			return err
		}
		leave = append(leave, framework.DeleteOp(mark, framework.AnyVersion))
	}
	inside, _, err := cli.Children(ctx, rule.board(path))
	if err != nil {
		return err
	}
	crowd := slices.DeleteFunc(slices.Clone(inside), func(mark string) bool {
		tag, _, _ := strings.Cut(mark, "-")
		return !slices.Contains(rule.against, tag)
	})
	if len(crowd) > rule.limit {
		return fmt.Errorf("overlap: %v are inside; %s allows %d", inside, rule.tag, rule.limit)
	}
	for _, counter := range rule.counters {
		old, err := cli.Get(ctx, counterAt(path, counter))
		if err != nil {
			return err
		}
		leave = append(leave, framework.SetOp(counterAt(path, counter), nextCount(old.Data, rule.tag), framework.AnyVersion))
	}
	_, err = cli.Multi(ctx, leave)
	return err
}

// nextCount counts one section up.
func nextCount(old []byte, tag string) []byte {
	n, handovers, last := parseCount(string(old))
	if last != tag {
		handovers++
	}
	return fmt.Appendf(nil, "%d %d %s", n+1, handovers, tag)
}

func parseCount(text string) (n, handovers int, last string) {
	_, _ = fmt.Sscan(text, &n, &handovers, &last)
	return n, handovers, last
}

// play has everybody do one section, so that nobody is late because it has still to load what it needs, and then all their
// sections at the same time. Every counter must have counted all, and some of them right after
// one of another side.
func play(t *testing.T, w *world, path string, sides ...side) {
	t.Helper()
	w.create(path+"/board", "")
	w.create(path+"/lock", "") // persistent: kazoo does not put up with its removal
	want := map[string]int{}
	for _, s := range sides {
		for _, c := range s.counters {
			if want[c] == 0 {
				w.create(counterAt(path, c), "0 0 nobody")
			}
			want[c] += (1 + s.times) * len(s.each)
		}
	}
	all(t, sides, func(side) int { return 1 })
	all(t, sides, func(s side) int { return s.times })
	for c, n := range want {
		counted, handovers, _ := parseCount(w.data(counterAt(path, c)))
		assert.Equal(t, n, counted, "sections counted in %s; others are lost by overlaps", c)
		assert.Greater(t, handovers, n/20, "%s: how often one side came after another", c)
		t.Logf("%s: %d sections, %d times one side after another", c, counted, handovers)
	}
	w.untilThereAre(path+"/board", 0)
}

// all has everybody do some sections at the same time.
func all(t *testing.T, sides []side, times func(side) int) {
	t.Helper()
	var calls []*call
	for _, s := range sides {
		for _, begin := range s.each {
			calls = append(calls, begin(times(s), s))
		}
	}
	var errs []error
	for _, c := range calls {
		_, err := c.result()
		errs = append(errs, err)
	}
	require.NoError(t, errors.Join(errs...))
}
