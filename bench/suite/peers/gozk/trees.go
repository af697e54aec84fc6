package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
)

// parallel is how many requests a program sends at once that is in a hurry.
const parallel = 64

// openLoad reads a tree by hand, with a watch on each node and on each list of children, each time with a client of its own.
func openLoad(_ context.Context, args line.Args) (kit.Workload, error) {
	return kit.Work{Do: func(ctx context.Context, _ time.Duration, _ line.Args) (line.Answer, error) {
		all, done, err := clients(ctx, args, 1)
		if err != nil {
			return line.Answer{}, err
		}
		w := &walk{conn: all[0], nodes: map[string][]byte{}, slots: make(chan struct{}, parallel)}
		heap, goroutines := kit.Heap(), runtime.NumGoroutine()
		answer, err := kit.Once(func() error { return w.run(args["path"]) })
		answer.Values = map[string]float64{
			"heap_bytes": kit.Heap() - heap,
			"goroutines": float64(runtime.NumGoroutine() - goroutines),
		}
		if n := args.Int("nodes", 0); err == nil && len(w.nodes) != n {
			err = fmt.Errorf("%d of %d nodes were read", len(w.nodes), n)
		}
		return answer, errors.Join(err, done())
	}}, nil
}

// walk reads a tree.
type walk struct {
	conn  *zk.Conn
	slots chan struct{}
	wg    sync.WaitGroup

	mu      sync.Mutex
	nodes   map[string][]byte
	watches []<-chan zk.Event
	err     error
}

func (w *walk) run(root string) error {
	w.wg.Go(func() { w.read(root) })
	w.wg.Wait()
	return w.err
}

func (w *walk) read(path string) {
	w.slots <- struct{}{}
	data, _, changed, err := w.conn.GetW(path)
	names, _, moved, listErr := w.conn.ChildrenW(path)
	<-w.slots
	w.mu.Lock()
	w.err = errors.Join(w.err, err, listErr)
	w.nodes[path] = data
	w.watches = append(w.watches, changed, moved)
	w.mu.Unlock()
	for _, name := range names {
		w.wg.Go(func() { w.read(path + "/" + name) })
	}
}

// openSet is the loader that writes nodes, many at a time. Nodes are named by kit.NodePath.
func openSet(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 1)
	if err != nil {
		return nil, err
	}
	return kit.Work{Done: done, Do: func(ctx context.Context, _ time.Duration, more line.Args) (line.Answer, error) {
		n, data := more.Int("n", 1), kit.Payload(more.Int("round", 0))
		return kit.Once(func() error {
			_, err := kit.Repeat(ctx, 0, parallel, func(_ context.Context, first int) error {
				for i := first; i < n; i += parallel {
					if _, err := all[0].Set(kit.NodePath(args["path"], i), data, -1); err != nil {
						return err
					}
				}
				return nil
			})
			return err
		})
	}}, nil
}

// openCreate is the loader that creates children, one after the other. With step=delete it deletes what a round has created.
func openCreate(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 1)
	if err != nil {
		return nil, err
	}
	return kit.Work{Done: done, Do: func(_ context.Context, _ time.Duration, more line.Args) (line.Answer, error) {
		n, round := more.Int("n", 1), more.Int("round", 0)
		path := func(i int) string { return fmt.Sprintf("%s/r%d-%06d", args["path"], round, i) }
		if more["step"] == "delete" {
			return line.Answer{}, remove(all[0], n, path)
		}
		data := kit.Payload(round)
		return kit.Once(func() error {
			for i := range n {
				if _, err := all[0].Create(path(i), data, 0, everybody); err != nil {
					return err
				}
			}
			return nil
		})
	}}, nil
}

// remove deletes n nodes in transactions.
func remove(conn *zk.Conn, n int, path func(int) string) error {
	const atOnce = 500
	for first := 0; first < n; first += atOnce {
		var ops []any
		for i := first; i < min(n, first+atOnce); i++ {
			ops = append(ops, &zk.DeleteRequest{Path: path(i), Version: -1})
		}
		if _, err := conn.Multi(ops...); err != nil {
			return err
		}
	}
	return nil
}

// openKept creates n ephemeral nodes in each session, as a program would by hand.
func openKept(ctx context.Context, args line.Args) (kit.Workload, error) {
	n := args.Int("n", 0)
	var session atomic.Int64
	errs, begun, quit := make(chan error, 16), make(chan struct{}, 16), make(chan struct{})
	all, disconnect, err := kit.Open(1, connector(ctx, args, func(ev zk.Event) {
		if ev.State == zk.StateHasSession {
			begun <- struct{}{}
		}
	}), closeConn)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			select {
			case <-begun:
				if now := all[0].SessionID(); now != session.Swap(now) {
					errs <- createAll(all[0], args["path"], n)
				}
			case <-quit:
				return
			}
		}
	}()
	done := func() error {
		close(quit)
		return disconnect()
	}
	if err := <-errs; err != nil {
		return nil, errors.Join(err, done())
	}
	return kit.Work{Done: done, Do: func(context.Context, time.Duration, line.Args) (line.Answer, error) {
		answer := line.Answer{
			CPUUS: kit.Micro(kit.CPU()),
			Text:  map[string]string{"session": strconv.FormatInt(all[0].SessionID(), 10)},
		}
		select {
		case err := <-errs:
			return answer, err
		default:
			return answer, nil
		}
	}}, nil
}

func createAll(conn *zk.Conn, path string, n int) error {
	_, err := kit.Repeat(context.Background(), 0, parallel, func(_ context.Context, first int) error {
		for i := first; i < n; i += parallel {
			if _, err := conn.Create(path+"/kept-"+strconv.Itoa(i), kit.Payload(0), zk.FlagEphemeral, everybody); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// openPick is the least that taking turns can cost: an index that all callers increment. It reads the instances once.
func openPick(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 1)
	if err != nil {
		return nil, err
	}
	ids, _, err := all[0].Children(args["path"] + "/" + args["service"])
	if err != nil {
		return nil, errors.Join(err, done())
	}
	var next, sink atomic.Uint64
	return kit.Picks(args.Int("n", 0), func(picks int, seen map[string]int) error {
		length := 0
		for range picks {
			id := ids[next.Add(1)%uint64(len(ids))]
			if seen != nil {
				seen[id]++
			}
			length += len(id)
		}
		sink.Store(uint64(length)) // so that nothing is left out
		return nil
	}, done), nil
}

// openWatches watches n nodes that do not exist.
func openWatches(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 1)
	if err != nil {
		return nil, err
	}
	return kit.Work{Done: done, Do: func(ctx context.Context, _ time.Duration, more line.Args) (line.Answer, error) {
		n := more.Int("n", 1)
		return kit.Once(func() error {
			_, err := kit.Repeat(ctx, 0, min(n, parallel), func(_ context.Context, first int) error {
				for i := first; i < n; i += parallel {
					if _, _, _, err := all[0].ExistsW(args["path"] + "/absent-" + strconv.Itoa(i)); err != nil {
						return err
					}
				}
				return nil
			})
			return err
		})
	}}, nil
}
