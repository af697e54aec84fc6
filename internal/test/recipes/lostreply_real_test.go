package recipes_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/internal/test/realzk"
)

// realTimeout is the session timeout of the recipes whose reply a real server loses.
const realTimeout = 10 * time.Second

// ping is the opcode of pings.
const ping = 11

// realLoss is a reply that vanishes once between a real server and the subject.
type realLoss struct {
	n  int   // its number, from 1, without pings; 0 for the first reply to op
	op int32 // its opcode, unless n says which one it is

	mu   sync.Mutex
	seen map[int32]int // replies by opcode
	all  int
	lost bool
}

// judge is a function for [realzk.Proxy.OnFrame].
func (l *realLoss) judge(f realzk.Frame) realzk.Verdict {
	if f.Way != realzk.ToClient || f.Op == ping {
		return realzk.Pass
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all++
	if l.seen[f.Op]++; l.lost || l.n != l.all && (l.n != 0 || l.op != f.Op) {
		return realzk.Pass
	}
	l.lost = true
	return realzk.Drop
}

// realEnding is how a life has ended on a real server, of which one reply was lost.
type realEnding struct {
	name string
	cli  *framework.Client
	loss *realLoss
	err  error
	took time.Duration
}

// suffer lives a life. others is for the client that loses nothing.
func (l *realLoss) suffer(t *testing.T, one life, others *framework.Client) func() realEnding {
	t.Helper()
	l.seen = make(map[int32]int)
	space := realzk.Shared(t)
	proxy := realzk.NewProxy(t, space.Addr())
	proxy.OnFrame(l.judge)
	cli, err := framework.New(framework.Config{ConnectString: proxy.Addr() + space.Root(), SessionTimeout: realTimeout})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, cli.Close()) })
	other, err := others.Namespace(space.Root())
	require.NoError(t, err)
	return func() realEnding {
		ctx, cancel := context.WithTimeout(t.Context(), 2*realTimeout)
		defer cancel()
		begun := time.Now()
		err := one.live(ctx, &stage{T: t, cli: cli, other: other})
		return realEnding{cli: cli, loss: l, err: err, took: time.Since(begun)}
	}
}

// check wants a recipe to have gone on within two session timeouts, in the same session, and docent to have broken the connection
// because of the reply.
func (e realEnding) check(t *testing.T) {
	t.Helper()
	require.NoError(t, e.err)
	e.loss.mu.Lock()
	defer e.loss.mu.Unlock()
	require.True(t, e.loss.lost, "the reply did not come: the test tests nothing")
	var causes []string
	for _, change := range e.cli.History() {
		if change.State == framework.Suspended {
			causes = append(causes, change.Cause.Error())
		}
		assert.NotEqual(t, framework.Lost, change.State)
	}
	assert.Contains(t, strings.Join(causes, "\n"), "a reply is lost")
}

// One reply is lost on a connection to a real server that goes on answering: the second, third or fourth of each recipe, and one of
// each kind for the operations. The recipe goes on within two session timeouts.
func TestRealOneReplyLost(t *testing.T) {
	t.Parallel()
	all := lives()
	slices.SortFunc(all, func(a, b life) int { return strings.Compare(a.name, b.name) })
	losses := make([]realLoss, len(all))
	for i := range losses {
		losses[i].n = 2 + i%3
	}
	for _, op := range kindsOfReplies {
		one := operationLife()
		one.name = fmt.Sprint("operations, opcode ", op)
		all, losses = append(all, one), append(losses, realLoss{op: op})
	}
	others := realClient(t, realzk.Shared(t).Addr())
	ends := make(chan realEnding, len(all))
	for i, one := range all {
		live := losses[i].suffer(t, one, others)
		go func() {
			end := live()
			end.name = one.name
			ends <- end
		}()
	}
	worst := time.Duration(0)
	for range all {
		end := <-ends
		worst = max(worst, end.took)
		t.Run(end.name, func(t *testing.T) { end.check(t) })
	}
	t.Logf("%d replies lost; the longest life took %v", len(all), worst.Round(time.Millisecond))
}

// kindsOfReplies are the opcodes of what operationLife asks for.
var kindsOfReplies = []int32{2, 3, 4, 5, 6, 7, 9, 12, 14, 15, 106}
