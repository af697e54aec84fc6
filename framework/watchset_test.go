package framework

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/internal/seam"
	"github.com/docent-zk/docent/zktest"
)

// setPlay is a user of a WatchSet that knows nodes from reads, and which of these it has to read again from notes.
type setPlay struct {
	t     *testing.T
	s     *zktest.Server
	set   seam.WatchSet[Node]
	rnd   *rand.Rand
	paths []string
	data  map[string]string   // "absent" for no node
	kids  map[string][]string // nil for no node
	dirty map[string]bool     // "path" and "path/"
}

// heed takes what was told.
func (p *setPlay) heed() {
	for _, n := range p.set.Take() {
		key := n.Path
		if n.List {
			key += "/"
		}
		p.dirty[key] = true
		if n.Gone {
			p.dirty[n.Path+"/"] = true
		}
	}
}

// read reads a path and what is told until the answer is there is told of what the answer may show.
func (p *setPlay) read(ctx context.Context, at string) {
	p.heed()
	delete(p.dirty, at)
	switch p.rnd.IntN(3) {
	case 0:
		node, err := p.set.Exists(ctx, at, true)
		if err == nil {
			node, err = p.set.Get(ctx, at)
		}
		p.learn(at, node, err)
		if errors.Is(err, ErrNoNode) && !p.set.Armed(at, false) {
			p.dirty[at] = true // it went between the two
		}
	case 1:
		delete(p.dirty, at+"/")
		names, _, err := p.set.List(ctx, at)
		p.list(at, names, err)
		p.dirty[at] = true
	default:
		p.bulk(ctx, at)
	}
}

// bulk reads a path and others in one request.
func (p *setPlay) bulk(ctx context.Context, at string) {
	reads := []seam.Read{{Path: at, List: true}}
	for _, other := range p.paths {
		if other != at && p.rnd.IntN(3) == 0 {
			reads = append(reads, seam.Read{Path: other, List: true})
		}
	}
	for _, r := range reads {
		delete(p.dirty, r.Path)
		delete(p.dirty, r.Path+"/")
	}
	answers, err := p.set.Read(ctx, reads)
	for i, r := range reads {
		if err != nil {
			p.dirty[r.Path], p.dirty[r.Path+"/"] = true, true
			continue
		}
		p.learn(r.Path, answers[i].Node, answers[i].Err)
		p.list(r.Path, answers[i].Names, answers[i].Err)
		if answers[i].Err != nil {
			p.dirty[r.Path], p.dirty[r.Path+"/"] = true, true
		}
	}
}

func (p *setPlay) learn(at string, node Node, err error) {
	switch {
	case errors.Is(err, ErrNoNode):
		p.data[at] = "absent"
	case err != nil:
		p.dirty[at] = true
	default:
		p.data[at] = string(node.Data)
	}
}

func (p *setPlay) list(at string, names []string, err error) {
	if err != nil {
		p.dirty[at+"/"] = true
		delete(p.kids, at)
		return
	}
	slices.Sort(names)
	p.kids[at] = names
}

// write changes something.
func (p *setPlay) write(rnd *rand.Rand, n int) {
	at := p.paths[rnd.IntN(len(p.paths))]
	switch rnd.IntN(4) {
	case 0:
		_, _ = p.s.Create(at, []byte(fmt.Sprint(n)), zktest.Persistent)
	case 1:
		_ = p.s.Delete(at)
	case 2:
		_ = p.s.Set(at, []byte(fmt.Sprint(n)))
	default:
		_, _ = p.s.Create(fmt.Sprint(at, "/k", rnd.IntN(2)), nil, zktest.Persistent)
	}
}

// check holds what is known, and not to be read again, against the server.
func (p *setPlay) check() {
	p.heed()
	for _, at := range p.paths {
		data, _, err := p.s.Get(at)
		if !p.dirty[at] && p.data[at] != "" {
			want := string(data)
			if err != nil {
				want = "absent"
			}
			assert.Equal(p.t, want, p.data[at], at)
		}
		names, err := p.s.Children(at)
		if known := p.kids[at]; known != nil && err == nil && !p.dirty[at+"/"] && !p.dirty[at] {
			slices.Sort(names)
			assert.ElementsMatch(p.t, names, known, at)
		}
	}
}

// Whatever happens between reads, to the connection, and to a recursive watch beside it, a set tells of every change of what was read.
func TestAWatchSetMissesNothing(t *testing.T) {
	for seed := range uint64(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _, session, _ := memoryClient(t, nil)
				p := &setPlay{
					t: t, s: s, set: session.newWatchSet(), rnd: rand.New(rand.NewPCG(seed, 1)),
					data: map[string]string{}, kids: map[string][]string{}, dirty: map[string]bool{},
				}
				for _, dir := range []string{"/a", "/b"} {
					p.paths = append(p.paths, dir, dir+"/x", dir+"/y")
				}
				if seed%4 == 3 {
					s.OnFrame(func(f zktest.Frame) zktest.Verdict {
						if f.Op == zktest.OpSetWatches && f.Stage == zktest.Request {
							return zktest.AnswerWith(zktest.ErrUnimplemented)
						}
						return zktest.Pass
					})
				}
				p.play(session, seed)
			})
		})
	}
}

// play lets a writer and a reader run beside each other, in a bubble, and compares now and then.
func (p *setPlay) play(session *Session, seed uint64) {
	ctx, stop := context.WithCancel(p.t.Context())
	writer, turn := rand.New(rand.NewPCG(seed, 2)), make(chan struct{}, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ctx.Err() == nil; n++ {
			turn <- struct{}{}
			p.write(writer, n)
			if writer.IntN(100) == 0 {
				p.s.Cut(zktest.AllConns())
			}
			<-turn
			time.Sleep(time.Duration(writer.IntN(800)) * time.Microsecond)
		}
	}()
	trees := make(chan struct{})
	go func() {
		defer close(trees)
		for rnd := rand.New(rand.NewPCG(seed, 3)); seed%2 == 1 && ctx.Err() == nil; {
			if w, err := session.WatchTree(ctx, p.paths[rnd.IntN(len(p.paths))]); err == nil {
				time.Sleep(time.Duration(rnd.IntN(1500)) * time.Microsecond)
				w.Stop()
			}
			time.Sleep(time.Duration(rnd.IntN(500)) * time.Microsecond)
		}
	}()
	for range 60 {
		for range p.rnd.IntN(6) {
			p.read(ctx, p.paths[p.rnd.IntN(len(p.paths))])
		}
		time.Sleep(time.Duration(p.rnd.IntN(4)) * time.Millisecond)
		turn <- struct{}{}
		require.NoError(p.t, session.Sync(ctx, "/"))
		p.check()
		<-turn
	}
	stop()
	<-ended
	<-trees
}

// A set that was closed, or whose session is over, leaves nothing behind that grows.
func TestAWatchSetThatIsClosedIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, session, _ := memoryClient(t, nil)
		_, err := s.Create("/node", nil, zktest.Persistent)
		require.NoError(t, err)
		require.NoError(t, session.Sync(t.Context(), "/node"))
		reads := []seam.Read{{Path: "/node"}}
		for range 10 {
			set := session.newWatchSet()
			_, err := set.Read(t.Context(), reads)
			require.NoError(t, err)
			assert.True(t, set.Armed("/node", false) && set.Armed("/node", true))
			set.Close()
		}
		table := &session.e.watches
		sets := func() []*setEntry {
			table.mu.Lock()
			defer table.mu.Unlock()
			return slices.Collect(maps.Values(table.sets))
		}
		require.Len(t, sets(), 1)
		assert.Nil(t, sets()[0].next)
		require.NoError(t, s.Set("/node", nil))
		time.Sleep(time.Second)
		require.NoError(t, s.Delete("/node"))
		time.Sleep(time.Second)
		assert.Empty(t, sets())
		require.NoError(t, cli.Close())
		late := session.newWatchSet()
		_, err = late.Read(t.Context(), reads)
		require.ErrorIs(t, err, ErrClosed)
		assert.Empty(t, late.Take())
	})
}
