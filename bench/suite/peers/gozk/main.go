// Gozk does the benchmark's workloads with go-zookeeper alone: its zk.Lock, and its zk.Conn as a program would use it by
// hand. It is also the loader, which writes what caches follow.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
)

func main() { kit.Main(version(), openers) }

var openers = map[string]kit.Opener{
	"clients":  openClients,
	"create":   openCreate,
	"election": openElection,
	"get":      openGet,
	"idle":     openIdle,
	"kept":     openKept,
	"load":     openLoad,
	"lock":     openLocks,
	"pick":     openPick,
	"set":      openSet,
	"waiters":  openWaiters,
	"watches":  openWatches,
}

// version is that of go-zookeeper.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/go-zookeeper/zk" {
				return m.Version
			}
		}
	}
	return "unknown"
}

var everybody = zk.WorldACL(zk.PermAll)

// connector connects to the servers that the arguments name. The options come last.
func connector(ctx context.Context, args line.Args, onEvent func(zk.Event)) func() (*zk.Conn, error) {
	return func() (*zk.Conn, error) {
		connected := make(chan struct{}, 1)
		callback := func(ev zk.Event) {
			if ev.State == zk.StateHasSession {
				select {
				case connected <- struct{}{}:
				default:
				}
			}
			if onEvent != nil {
				onEvent(ev)
			}
		}
		conn, _, err := zk.Connect(strings.Split(args["servers"], ","), kit.SessionTimeout,
			zk.WithLogger(log.New(io.Discard, "", 0)), zk.WithEventCallback(callback))
		if err != nil {
			return nil, err
		}
		select {
		case <-connected:
			return conn, nil
		case <-ctx.Done():
			conn.Close()
			return nil, fmt.Errorf("no session with %s: %w", args["servers"], context.Cause(ctx))
		}
	}
}

func closeConn(conn *zk.Conn) error {
	conn.Close()
	return nil
}

// clients connects n clients.
func clients(ctx context.Context, args line.Args, n int) ([]*zk.Conn, func() error, error) {
	return kit.Open(n, connector(ctx, args, nil), closeConn)
}

// count returns the number of children.
func count(conn *zk.Conn, path string) (int, error) {
	_, stat, err := conn.Exists(path)
	if err != nil {
		return 0, err
	}
	return int(stat.NumChildren), nil
}

// openGet reads one node with many callers on one session.
func openGet(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 1)
	if err != nil {
		return nil, err
	}
	path := args["path"]
	return kit.Work{Done: done, Do: func(ctx context.Context, d time.Duration, args line.Args) (line.Answer, error) {
		return kit.Repeat(ctx, d, args.Int("callers", 1), func(context.Context, int) error {
			data, _, err := all[0].Get(path)
			if err == nil && len(data) != kit.PayloadSize {
				err = fmt.Errorf("%d bytes were read", len(data))
			}
			return err
		})
	}}, nil
}

func locker(l *zk.Lock) kit.Locker {
	return func(context.Context) (func(context.Context) error, error) {
		if err := l.Lock(); err != nil {
			return nil, err
		}
		return func(context.Context) error { return l.Unlock() }, nil
	}
}

// lockers are n callers in so many clients.
func lockers(all []*zk.Conn, path string, n int) []kit.Locker {
	var lockers []kit.Locker
	for i := range n {
		lockers = append(lockers, locker(zk.NewLock(all[i%len(all)], path, everybody)))
	}
	return lockers
}

func openLocks(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, args.Int("clients", 1))
	if err != nil {
		return nil, err
	}
	return &kit.Locks{Lockers: lockers(all, args["path"], args.Int("callers", 1)), Done: done}, nil
}

func openWaiters(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, args.Int("clients", 1))
	if err != nil {
		return nil, err
	}
	path := args["path"]
	queued := func(context.Context) (int, error) { return count(all[0], path) }
	return kit.Waiters(lockers(all, path, 1+args.Int("n", 1)), queued, done), nil
}

// candidate uses a lock as an election, as go-zookeeper has none.
type candidate struct{ *zk.Lock }

// Campaign implements kit.Candidate.
func (c candidate) Campaign(context.Context) error { return c.Lock.Lock() }

// Resign implements kit.Candidate.
func (c candidate) Resign(context.Context) error { return c.Unlock() }

func openElection(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(ctx, args, 3)
	if err != nil {
		return nil, err
	}
	path := args["path"]
	e := &kit.Election{Done: done, Queued: func(context.Context) (int, error) { return count(all[2], path) }}
	for i := range e.Candidates {
		e.Candidates[i] = candidate{zk.NewLock(all[i], path, everybody)}
	}
	return e, nil
}

func openIdle(_ context.Context, args line.Args) (kit.Workload, error) {
	open := func(ctx context.Context) func() (*zk.Conn, error) { return connector(ctx, args, nil) }
	return kit.Idle(open, closeConn), nil
}

// openClients connects n clients, each of which takes a lock of its own once.
func openClients(_ context.Context, args line.Args) (kit.Workload, error) {
	return kit.Work{Do: func(ctx context.Context, _ time.Duration, more line.Args) (line.Answer, error) {
		heap := kit.Heap()
		done := func() error { return nil }
		answer, err := kit.Once(func() error {
			all, closeAll, err := clients(ctx, args, more.Int("n", 1))
			if err != nil {
				return err
			}
			done = closeAll
			_, err = kit.Repeat(ctx, 0, len(all), func(_ context.Context, i int) error {
				l := zk.NewLock(all[i], args["path"]+"/"+strconv.Itoa(i), everybody)
				if err := l.Lock(); err != nil {
					return err
				}
				return l.Unlock()
			})
			return err
		})
		answer.Values = map[string]float64{"heap_bytes": kit.Heap() - heap}
		return answer, errors.Join(err, done())
	}}, nil
}
