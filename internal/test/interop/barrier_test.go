package interop

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/framework"
)

// barrierUser sets, removes and waits for a barrier, in any language.
type barrierUser func(what string) *call

func ourBarrier(t testing.TB, cli *framework.Client, path string) barrierUser {
	b := barrier.New(cli, path)
	return func(what string) *call {
		ctx := within(t)
		return beside("docent: "+what, func() error {
			switch what {
			case "barrier.set":
				return b.Set(ctx)
			case "barrier.remove":
				return b.Remove(ctx)
			}
			return b.Wait(ctx)
		})
	}
}

func (p *party) barrier(path string) barrierUser {
	return func(what string) *call { return p.begin(what, path) }
}

// Whoever sets a barrier and whoever removes it, all others wait in between.
func TestBarrierOfAll(t *testing.T) {
	t.Parallel()
	t.Run("real", func(t *testing.T) { barrierOfAll(t, onReal(t), func() (seen func(n int)) { return func(int) {} }) })
	t.Run("zktest", func(t *testing.T) {
		f := onFake(t)
		barrierOfAll(t, f.world, func() (seen func(n int)) {
			before := f.server.Counts().Watches
			return func(n int) {
				f.untilSubtree("/barrier", func(map[string]sight) bool { return f.server.Counts().Watches >= before+int64(n) })
			}
		})
	})
}

// barrierOfAll is one barrier for a participant of each language. waiters returns what waits until the server has seen so
// many who wait since then, where it can tell.
func barrierOfAll(t *testing.T, w *world, waiters func() (seen func(n int))) {
	const path = "/barrier"
	users := map[string]barrierUser{
		"docent": ourBarrier(t, w.client(), path), "curator": w.curator().barrier(path), "kazoo": w.kazoo().barrier(path),
	}
	for setter, set := range users {
		for remover, remove := range users {
			t.Run(setter+" sets, "+remover+" removes", func(t *testing.T) {
				set("barrier.set").wait(t)
				var waiting []*call
				seen := waiters()
				for name, wait := range users {
					if name != remover { // whose actor does one thing at a time
						waiting = append(waiting, wait("barrier.wait"))
					}
				}
				seen(len(waiting))
				for _, c := range waiting {
					c.goesOn(t)
				}
				remove("barrier.remove").wait(t)
				for _, c := range waiting {
					c.wait(t)
				}
			})
		}
	}
}

// doubleUser is a member of a double barrier, in any language.
type doubleUser struct{ enter, leave func() *call }

func ourDouble(t testing.TB, cli *framework.Client, path string, members int) doubleUser {
	d := barrier.NewDouble(cli, path, members)
	var in *barrier.Entered
	ctx := within(t)
	return doubleUser{
		enter: func() *call {
			return beside("docent enters", func() (err error) {
				in, err = d.Enter(ctx)
				return err
			})
		},
		leave: func() *call { return beside("docent leaves", func() error { return in.Leave(ctx) }) },
	}
}

func (p *party) double(path string, members int) doubleUser {
	return doubleUser{
		enter: func() *call { return p.begin("double.enter", path, members) },
		leave: func() *call { return p.begin("double.leave") },
	}
}

// Members of all languages enter one after the other, and nobody is in before the last one; and leave in the reverse order.
func TestDoubleBarrierOfAll(t *testing.T) {
	t.Parallel()
	w := onReal(t)
	for i, order := range [][]string{
		{"docent", "curator", "kazoo"},
		{"kazoo", "docent", "docent", "curator"},
		{"curator", "docent", "kazoo", "docent", "docent"},
	} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			w, path := w.in(t), fmt.Sprint("/double", i)
			w.create(path, "")
			var members []doubleUser
			var entering []*call
			for i, who := range order {
				members = append(members, w.member(who, path, len(order)))
				entering = append(entering, members[i].enter())
				if i == len(order)-1 {
					break
				}
				w.untilThereAre(path, i+1)
				for _, c := range entering {
					c.goesOn(t)
				}
			}
			for _, c := range entering {
				c.wait(t)
			}
			var leaving []*call
			for i := len(order) - 1; i >= 0; i-- {
				leaving = append(leaving, members[i].leave())
			}
			for _, c := range leaving {
				_, err := c.result()
				require.NoError(t, err)
			}
			w.untilThereAre(path, 0)
		})
	}
}

func (w *world) member(language, path string, members int) doubleUser {
	switch language {
	case "curator":
		return w.curator().double(path, members)
	case "kazoo":
		return w.kazoo().double(path, members)
	}
	return ourDouble(w.t, w.client(), path, members)
}
