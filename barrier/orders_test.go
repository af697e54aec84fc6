package barrier_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
)

var allOrders = flag.Bool("barrier.allorders", false, "play every combination of faults and names, and not a sample")

// ranked is a source of randomness that begins each GUID with the same byte, and so decides the order of nodes' names.
type ranked struct {
	rank byte
	rest *rand.ChaCha8
}

func (r ranked) Read(p []byte) (int, error) {
	n, err := r.rest.Read(p)
	if len(p) == 16 {
		p[0] = r.rank
	}
	return n, err
}

// referee checks that rounds do not mix.
type referee struct {
	*world
	mu   sync.Mutex
	now  map[*barrier.Entered]stay // who is inside
	over map[int64]bool            // rounds that somebody has left together with all others
}

// stay is a member inside a round.
type stay struct {
	name  string
	round int64 // czxid of the sign that was there when it was let in
}

// entered notes that a member was let in.
func (r *referee) entered(name string, in *barrier.Entered) stay {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, stat, err := r.Get(ready)
	assert.NoError(r.t, err, "%s is in, and there is no sign", name)
	s := stay{name, stat.Czxid}
	for other, its := range r.now {
		if other.Context().Err() == nil && its.round != s.round {
			r.t.Errorf("%s is in round %#x while %s is still in round %#x", name, s.round, its.name, its.round)
		}
	}
	assert.False(r.t, r.over[s.round], "%s is in round %#x, which others have left already", name, s.round)
	r.now[in] = s
	return s
}

// leaves notes that a member has finished.
func (r *referee) leaves(in *barrier.Entered) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.now, in)
}

// left notes that Leave has returned nil: nobody is in the round any more.
func (r *referee) left(s stay) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for other, its := range r.now {
		if other.Context().Err() == nil && its.round == s.round {
			r.t.Errorf("%s has left round %#x while %s is still in", s.name, s.round, its.name)
		}
	}
	r.over[s.round] = true
}

// member is a process that goes through one round after the other.
type member struct {
	name           string
	before, within time.Duration // how long it works before Enter, and inside
	phases         chan string   // what it begins to do: "entering", "inside", "leaving"
	cli            *framework.Client
	double         *barrier.Double

	mu     sync.Mutex
	rounds int
}

// completed is how many rounds it has been through.
func (m *member) completed() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rounds
}

// phase says what the member does from now on.
func (m *member) phase(name string) {
	select {
	case m.phases <- name:
	default:
	}
}

// live goes through rounds until ctx ends, in a bubble. A lost session costs the round.
func (m *member) live(ctx context.Context, r *referee) {
	for ctx.Err() == nil {
		time.Sleep(m.before)
		m.phase("entering")
		var s stay
		in, err := m.double.Enter(ctx)
		if err == nil {
			s = r.entered(m.name, in)
			m.phase("inside")
			time.Sleep(m.within)
			m.phase("leaving")
			r.leaves(in)
			err = in.Leave(ctx)
		}
		switch {
		case err == nil:
			r.left(s)
			m.mu.Lock()
			m.rounds++
			m.mu.Unlock()
		case errors.Is(err, framework.ErrSessionLost), ctx.Err() != nil:
		default:
			assert.NoError(r.t, err, m.name)
		}
	}
}

// outage is what happens to some of three members at one moment, and how their names are ordered.
type outage struct {
	phase   string        // what the first one is doing
	victims int           // how many of them
	restart time.Duration // after which they are started again; negative if they go on, in another session
	ranks   []byte        // of the three members, and of those that are started again
}

func (o outage) String() string {
	return fmt.Sprintf("%d %s, back after %v, names %v", o.victims, o.phase, o.restart, o.ranks)
}

// outages are all combinations, or a sample that has every order of the names of three members and of a restarted one.
func outages() (list []outage) {
	n := 0
	for _, ranks := range permutations([]byte{1, 2, 3, 4}) {
		for _, phase := range []string{"entering", "inside", "leaving"} {
			for _, restart := range []time.Duration{-1, 0, 3 * time.Second, 15 * time.Second} {
				for victims := 1; victims <= 3; victims++ {
					n++
					if *allOrders || n%31 == 0 {
						list = append(list, outage{phase, victims, restart, append(ranks, 5, 6)})
					}
				}
			}
		}
	}
	return list
}

func permutations(of []byte) (all [][]byte) {
	if len(of) == 0 {
		return [][]byte{nil}
	}
	for i := range of {
		rest := append(append([]byte{}, of[:i]...), of[i+1:]...)
		for _, p := range permutations(rest) {
			all = append(all, append([]byte{of[i]}, p...))
		}
	}
	return all
}

// Members die and are started again, or lose their sessions, while they enter, are inside, or leave, in every order of their
// names. No round mixes with the next one, and all who live go on through further rounds.
func TestMembersThatRestart(t *testing.T) {
	for _, o := range outages() {
		t.Run(o.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) { w.restart(t, o) })
		})
	}
}

// pace is the unit of time in the life of members.
const pace = 400 * time.Millisecond

// restart plays one outage. It runs in a bubble.
func (w *world) restart(t *testing.T, o outage) {
	r := &referee{world: w, now: make(map[*barrier.Entered]stay), over: make(map[int64]bool)}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	ids := []string{"x", "y", "z"}
	start := func(i int, name string, rank byte) *member {
		m := &member{name: name, before: time.Duration(i) * pace, within: time.Duration(1+i) * pace, phases: make(chan string, 1)}
		m.cli = w.Connect(name, func(cfg *framework.Config) { cfg.Random = ranked{rank, rand.NewChaCha8(sha256.Sum256([]byte(name)))} })
		m.double = barrier.NewDouble(m.cli, path, len(ids), barrier.WithID(ids[i]))
		all.Go(func() { m.live(ctx, r) })
		return m
	}
	var members []*member
	for i, id := range ids {
		members = append(members, start(i, id, o.ranks[i]))
	}
	time.Sleep(5 * pace)
	for phase := <-members[0].phases; phase != o.phase; phase = <-members[0].phases {
	}
	time.Sleep(pace / 2)
	for i := range o.victims {
		if o.restart < 0 {
			require.True(t, w.ExpireSession(members[i].cli.State().SessionID))
			continue
		}
		w.Silence(ids[i])
	}
	time.Sleep(max(0, o.restart))
	if o.restart >= 0 {
		for i := range o.victims {
			members[i] = start(i, ids[i]+" again", o.ranks[3+i])
		}
	}
	time.Sleep(2 * timeout) // the servers notice
	before := make([]int, len(members))
	for i, m := range members {
		before[i] = m.completed()
	}
	time.Sleep(30 * pace)
	for i, m := range members {
		assert.GreaterOrEqual(t, m.completed(), before[i]+3, "%s is stuck, children are %v", m.name, w.List(path))
	}
}
