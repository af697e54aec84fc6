package recipes_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/node"
)

func electionLives() []life {
	run := func(opts ...leader.Option) func(ctx context.Context, s *stage) error {
		return func(ctx context.Context, s *stage) error {
			term, err := leader.New(s.other, path, opts...).Campaign(ctx)
			if err != nil {
				return err
			}
			time.AfterFunc(time.Second, func() { _ = term.Resign(ctx) })
			led := 0
			for led < 2 {
				err := leader.Run(ctx, s.cli, path, func(context.Context, *leader.Term) error { led++; return nil }, opts...)
				if err != nil {
					return err
				}
			}
			term, err = leader.New(s.other, path, opts...).Campaign(ctx)
			if err != nil {
				return err
			}
			return term.Resign(ctx)
		}
	}
	reading := claim{[]string{path}, locks(func(cli *framework.Client) func(context.Context) (*lock.Held, error) {
		return lock.NewRW(cli, path, lock.Hold(0)).Lock
	})}
	return []life{
		{"leader.Run", run(leader.Hold(0))},
		{"leader.Run with the names of Curator's LeaderSelector", run(leader.Hold(0), leader.Selector())},
		{"leader.Run, shared", run(leader.Hold(0), leader.Shared())},
		{"read lock", func(ctx context.Context, s *stage) error {
			first, err := reading.acquire(ctx, s.other)
			if err != nil {
				return err
			}
			time.AfterFunc(time.Second, func() { _ = first.release(ctx) })
			mine, err := lock.NewRW(s.cli, path, lock.Hold(0)).RLock(ctx)
			if err != nil {
				return err
			}
			if err := mine.Unlock(ctx); err != nil {
				return err
			}
			last, err := reading.acquire(ctx, s.other)
			if err != nil {
				return err
			}
			return last.release(ctx)
		}},
		{"observed election", func(ctx context.Context, s *stage) error {
			seen := latest(leader.New(s.cli, path).Observe(ctx).C, func(p leader.Participant) bool { return p.Token != 0 })
			term, err := leader.New(s.other, path).Campaign(ctx)
			if err != nil {
				return err
			}
			if err := until(ctx, "the leader is seen", seen); err != nil {
				return err
			}
			if _, err := leader.New(s.cli, path).Participants(ctx); err != nil {
				return err
			}
			return term.Resign(ctx)
		}},
	}
}

func barrierLives() []life {
	return []life{
		{"barrier", func(ctx context.Context, s *stage) error {
			b := barrier.New(s.cli, path)
			return each(func() error { return b.Set(ctx) }, func() error {
				time.AfterFunc(time.Second, func() { _ = barrier.New(s.other, path).Remove(ctx) })
				return b.Wait(ctx)
			}, func() error { return b.Set(ctx) }, func() error { return b.Remove(ctx) })
		}},
		{"double barrier", func(ctx context.Context, s *stage) error {
			pass := func(cli *framework.Client, id string) error {
				in, err := barrier.NewDouble(cli, path, 2, barrier.WithID(id)).Enter(ctx)
				if err != nil {
					return err
				}
				return in.Leave(ctx)
			}
			others := make(chan error, 1)
			time.AfterFunc(time.Second, func() { others <- pass(s.other, "b") })
			return each(func() error { return pass(s.cli, "a") }, func() error { return <-others })
		}},
	}
}

func counterLives() []life {
	return []life{
		{"counter", func(ctx context.Context, s *stage) error {
			c := counter.NewInt(s.cli, path)
			for range 3 {
				if _, err := c.Add(ctx, 1); err != nil {
					return err
				}
			}
			v, err := c.Get(ctx)
			if err == nil && v.Value != 3 {
				err = fmt.Errorf("it is %d", v.Value)
			}
			if err != nil {
				return err
			}
			return c.Close(ctx)
		}},
		{"counter, followed", func(ctx context.Context, s *stage) error {
			seen := latest(counter.NewInt(s.cli, path).Changes(ctx).C, func(v counter.Versioned[int64]) bool { return v.Value == 1 })
			return each(func() error {
				_, err := counter.NewInt(s.other, path).Add(ctx, 1)
				return err
			}, func() error { return until(ctx, "the change is seen", seen) })
		}},
	}
}

func keptLives() []life {
	keep := func(opts ...node.Option) func(ctx context.Context, s *stage) error {
		return func(ctx context.Context, s *stage) error {
			k, err := node.Keep(ctx, s.cli, path, []byte("one"), opts...)
			if err != nil {
				return err
			}
			return each(func() error { return k.Set(ctx, []byte("two")) }, func() error {
				if err := s.other.Delete(ctx, k.Path(), framework.AnyVersion); err != nil {
					return err
				}
				return until(ctx, "the node is restored", func() bool {
					n, err := s.other.Get(ctx, k.Path())
					return err == nil && string(n.Data) == "two" && k.Standing().Stands
				})
			}, func() error { return k.Close(ctx) })
		}
	}
	return []life{
		{"kept node", keep()},
		{"kept node, sequential", keep(node.WithMode(framework.EphemeralSequential))},
		{"group", func(ctx context.Context, s *stage) error {
			var mine *node.Keeper
			return each(func() (err error) {
				mine, err = node.Join(ctx, s.cli, path, "subject", nil)
				return err
			}, func() error {
				_, err := node.Members(ctx, s.cli, path)
				return err
			}, func() error {
				seen := latest(node.WatchMembers(ctx, s.cli, path), func(g node.Group) bool { return len(g.Members) == 2 })
				_, err := node.Join(ctx, s.other, path, "other", nil)
				if err != nil {
					return err
				}
				return until(ctx, "both are seen", seen)
			}, func() error { return mine.Close(ctx) })
		}},
	}
}

// mirror is what caches have in common.
type mirror interface {
	Get(path string) (framework.Node, bool)
	WaitFresh(ctx context.Context) error
	Sync(ctx context.Context) error
	Close() error
}

func cacheLives() []life {
	with := func(name string, open func(ctx context.Context, cli *framework.Client) (mirror, error)) life {
		return life{name, func(ctx context.Context, s *stage) error {
			child := path + "/child"
			if _, err := s.other.Create(ctx, child, []byte("old"), framework.Parents); err != nil {
				return err
			}
			m, err := open(ctx, s.cli)
			if err != nil {
				return err
			}
			return each(func() error { return m.WaitFresh(ctx) }, func() error {
				_, err := s.other.Set(ctx, child, []byte("new"), framework.AnyVersion)
				return err
			}, func() error {
				return until(ctx, "the change is seen", func() bool {
					n, ok := m.Get(child)
					return ok && string(n.Data) == "new"
				})
			}, func() error { return m.Sync(ctx) }, func() error { return m.Close() })
		}}
	}
	return []life{
		with("cache", func(ctx context.Context, cli *framework.Client) (mirror, error) { return cache.Open(ctx, cli, path) }),
		with("cache with one-shot watches", func(ctx context.Context, cli *framework.Client) (mirror, error) {
			return cache.Open(ctx, cli, path, cache.OneShot())
		}),
		with("cache of children", func(ctx context.Context, cli *framework.Client) (mirror, error) {
			return cache.OpenChildren(ctx, cli, path)
		}),
		{"value", func(ctx context.Context, s *stage) error {
			if _, err := s.other.Create(ctx, path, []byte("old"), framework.Parents); err != nil {
				return err
			}
			v, err := cache.OpenValue(ctx, s.cli, path, cache.Text())
			if err != nil {
				return err
			}
			return each(func() error {
				_, err := s.other.Set(ctx, path, []byte("new"), framework.AnyVersion)
				return err
			}, func() error { return until(ctx, "the change is seen", func() bool { return v.Load() == "new" }) },
				func() error { return v.Sync(ctx) }, v.Close)
		}},
	}
}

func discoveryLives() []life {
	instance := func(id string) discovery.Instance[any] {
		return discovery.Instance[any]{Name: "orders", ID: id, Address: "h", Port: 1}
	}
	return []life{
		{"registration of a service", func(ctx context.Context, s *stage) error {
			r, err := discovery.New[any](s.cli, path).Register(ctx, instance("subject"))
			if err != nil {
				return err
			}
			changed := instance("subject")
			changed.Port = 2
			return each(func() error { return r.Update(ctx, changed) }, func() error {
				_, _, err := discovery.New[any](s.cli, path).Instances(ctx, "orders")
				return err
			}, func() error { return r.Close(ctx) })
		}},
		{"view of a service", func(ctx context.Context, s *stage) error {
			view, err := discovery.New[any](s.cli, path).Open(ctx, "orders")
			if err != nil {
				return err
			}
			return each(func() error {
				_, err := discovery.New[any](s.other, path).Register(ctx, instance("other"))
				return err
			}, func() error {
				return until(ctx, "the instance is seen", func() bool { return len(slices.Collect(view.Instances())) == 1 })
			}, view.Close)
		}},
	}
}

// operationLife calls each operation of a session, and of a client.
func operationLife() life {
	return life{"operations", func(ctx context.Context, s *stage) error {
		session, err := s.cli.Session(ctx)
		if err != nil {
			return err
		}
		return each(operationsOn(ctx, s.cli, path+"/a"), operationsOn(ctx, session, path+"/b"), func() error {
			w, err := session.WatchTree(ctx, path)
			if err != nil {
				return err
			}
			w.Stop()
			_, err = s.other.Create(ctx, path+"/c", nil)
			return err
		}, func() error { return told(session.Delete(ctx, path+"/c", framework.AnyVersion, framework.Guaranteed)) })
	}}
}

// operations are what a client and a session have in common.
type operations interface {
	Create(ctx context.Context, path string, data []byte, opts ...framework.CreateOption) (framework.Node, error)
	Get(ctx context.Context, path string) (framework.Node, error)
	Exists(ctx context.Context, path string) (framework.Stat, bool, error)
	Children(ctx context.Context, path string) ([]string, framework.Stat, error)
	Set(ctx context.Context, path string, data []byte, version int32, opts ...framework.WriteOption) (framework.Stat, error)
	ACL(ctx context.Context, path string) ([]framework.ACL, framework.Stat, error)
	SetACL(ctx context.Context, path string, acl []framework.ACL, version int32, opts ...framework.WriteOption) (framework.Stat, error)
	Multi(ctx context.Context, operations []framework.Op, opts ...framework.WriteOption) ([]framework.OpResult, error)
	Sync(ctx context.Context, path string) error
	Delete(ctx context.Context, path string, version int32, opts ...framework.WriteOption) error
}

// told makes nothing of the error of a write whose outcome nobody can tell.
func told(err error) error {
	if errors.Is(err, framework.ErrOutcomeUnknown) {
		return nil
	}
	return err
}

// operationsOn calls each.
func operationsOn(ctx context.Context, o operations, at string) func() error {
	return func() error {
		return each(
			func() error { _, err := o.Create(ctx, at, nil, framework.Parents); return told(err) },
			func() error { _, err := o.Get(ctx, at); return err },
			func() error { _, _, err := o.Exists(ctx, at); return err },
			func() error { _, _, err := o.Children(ctx, at); return err },
			func() error { _, err := o.Set(ctx, at, nil, framework.AnyVersion); return told(err) },
			func() error { _, _, err := o.ACL(ctx, at); return err },
			func() error { _, err := o.SetACL(ctx, at, framework.OpenACL(), 0); return told(err) },
			func() error {
				_, err := o.Multi(ctx, []framework.Op{framework.SetOp(at, nil, framework.AnyVersion)})
				return told(err)
			},
			func() error { return o.Sync(ctx, at) },
			func() error { return o.Delete(ctx, at, framework.AnyVersion) },
		)
	}
}
