// Etcd does the benchmark's workloads with etcd: with its concurrency package where that has the recipe, and with its client
// as a program would use it by hand elsewhere. It is a module of its own because etcd's client comes with many others.
package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.uber.org/zap"

	"github.com/docent-zk/docent/bench/suite/line"
	"github.com/docent-zk/docent/bench/suite/peers/kit"
)

func main() { kit.Main(version(), openers) }

var openers = map[string]kit.Opener{
	"create":   openCreate,
	"election": openElection,
	"fill":     openFill,
	"follow":   openFollow,
	"get":      openGet,
	"load":     openLoad,
	"lock":     openLocks,
	"set":      openSet,
}

// version is that of etcd's client.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "go.etcd.io/etcd/client/v3" {
				return m.Version
			}
		}
	}
	return "unknown"
}

// sessionTTL is how long a lease lives, in seconds.
const sessionTTL = int(kit.SessionTimeout / time.Second)

// connector connects to the servers that the arguments name.
func connector(args line.Args) func() (*clientv3.Client, error) {
	return func() (*clientv3.Client, error) {
		return clientv3.New(clientv3.Config{
			Endpoints: strings.Split(args["servers"], ","), DialTimeout: 10 * time.Second, Logger: zap.NewNop(),
		})
	}
}

// clients connects n clients.
func clients(args line.Args, n int) ([]*clientv3.Client, func() error, error) {
	return kit.Open(n, connector(args), (*clientv3.Client).Close)
}

// openGet reads one key with many callers on one client.
func openGet(_ context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(args, 1)
	if err != nil {
		return nil, err
	}
	return kit.Work{Done: done, Do: func(ctx context.Context, d time.Duration, more line.Args) (line.Answer, error) {
		return kit.Repeat(ctx, d, more.Int("callers", 1), func(ctx context.Context, _ int) error {
			answer, err := all[0].Get(ctx, args["path"])
			if err == nil && (len(answer.Kvs) != 1 || len(answer.Kvs[0].Value) != kit.PayloadSize) {
				err = fmt.Errorf("something else was read: %v", answer.Kvs)
			}
			return err
		})
	}}, nil
}

// openLocks gives each caller a session of its own: a Mutex of etcd belongs to a session, and two of one session do not
// exclude each other.
func openLocks(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(args, args.Int("clients", 1))
	if err != nil {
		return nil, err
	}
	l := &kit.Locks{}
	sessions := []*concurrency.Session{}
	l.Done = func() error { return errors.Join(closeAll(sessions), done()) }
	for i := range args.Int("callers", 1) {
		s, err := concurrency.NewSession(all[i%len(all)], concurrency.WithTTL(sessionTTL), concurrency.WithContext(context.WithoutCancel(ctx)))
		if err != nil {
			return nil, errors.Join(err, l.Done())
		}
		sessions = append(sessions, s)
		m := concurrency.NewMutex(s, args["path"])
		l.Lockers = append(l.Lockers, func(ctx context.Context) (func(context.Context) error, error) { return m.Unlock, m.Lock(ctx) })
	}
	return l, nil
}

func closeAll(sessions []*concurrency.Session) error {
	var errs []error
	for _, s := range sessions {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// candidate campaigns in an election of etcd.
type candidate struct{ election *concurrency.Election }

// Campaign implements kit.Candidate.
func (c candidate) Campaign(ctx context.Context) error { return c.election.Campaign(ctx, "x") }

// Resign implements kit.Candidate.
func (c candidate) Resign(ctx context.Context) error { return c.election.Resign(ctx) }

func openElection(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(args, 3)
	if err != nil {
		return nil, err
	}
	e := &kit.Election{}
	sessions := []*concurrency.Session{}
	e.Done = func() error { return errors.Join(closeAll(sessions), done()) }
	e.Queued = func(ctx context.Context) (int, error) {
		answer, err := all[2].Get(ctx, args["path"]+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			return 0, err
		}
		return int(answer.Count), nil
	}
	for i := range e.Candidates {
		s, err := concurrency.NewSession(all[i], concurrency.WithTTL(sessionTTL), concurrency.WithContext(context.WithoutCancel(ctx)))
		if err != nil {
			return nil, errors.Join(err, e.Done())
		}
		sessions = append(sessions, s)
		e.Candidates[i] = candidate{concurrency.NewElection(s, args["path"])}
	}
	return e, nil
}

// mirror is a copy of all keys with a prefix.
type mirror struct {
	keys    map[string][]byte
	changes clientv3.WatchChan
	stop    context.CancelFunc
}

// openMirror reads all keys and watches from there on.
func openMirror(ctx context.Context, cli *clientv3.Client, prefix string) (*mirror, error) {
	answer, err := cli.Get(ctx, prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	m := &mirror{keys: make(map[string][]byte, len(answer.Kvs))}
	for _, kv := range answer.Kvs {
		m.keys[string(kv.Key)] = kv.Value
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	m.stop = stop
	m.changes = cli.Watch(watching, prefix, clientv3.WithPrefix(), clientv3.WithRev(answer.Header.Revision+1), clientv3.WithCreatedNotify())
	select {
	case <-m.changes: // the server has the watch
		return m, nil
	case <-ctx.Done():
		stop()
		return nil, context.Cause(ctx)
	}
}

// openLoad reads all keys and watches them, each time with a client of its own.
func openLoad(_ context.Context, args line.Args) (kit.Workload, error) {
	return kit.Work{Do: func(ctx context.Context, _ time.Duration, _ line.Args) (line.Answer, error) {
		all, done, err := clients(args, 1)
		if err != nil {
			return line.Answer{}, err
		}
		if _, err := all[0].Get(ctx, "connected"); err != nil {
			return line.Answer{}, errors.Join(err, done())
		}
		heap, goroutines := kit.Heap(), runtime.NumGoroutine()
		var m *mirror
		answer, err := kit.Once(func() (err error) {
			m, err = openMirror(ctx, all[0], args["path"]+"/")
			return err
		})
		if err != nil {
			return answer, errors.Join(err, done())
		}
		answer.Values = map[string]float64{
			"heap_bytes": kit.Heap() - heap,
			"goroutines": float64(runtime.NumGoroutine() - goroutines),
		}
		if n := args.Int("nodes", 0); len(m.keys) != n {
			err = fmt.Errorf("%d of %d keys were read", len(m.keys), n)
		}
		m.stop()
		return answer, errors.Join(err, done())
	}}, nil
}

// openFollow mirrors keys and waits, in each run, for those of a round.
func openFollow(ctx context.Context, args line.Args) (kit.Workload, error) {
	all, done, err := clients(args, 1)
	if err != nil {
		return nil, err
	}
	m, err := openMirror(ctx, all[0], args["path"]+"/")
	if err != nil {
		return nil, errors.Join(err, done())
	}
	rounds := kit.NewRounds()
	go func() {
		for answer := range m.changes {
			for _, ev := range answer.Events {
				if ev.Type == clientv3.EventTypeDelete {
					delete(m.keys, string(ev.Kv.Key))
					continue
				}
				m.keys[string(ev.Kv.Key)] = ev.Kv.Value
				rounds.Saw(ev.Kv.Value)
			}
		}
	}()
	return kit.Work{
		Do: func(ctx context.Context, _ time.Duration, args line.Args) (line.Answer, error) {
			return kit.Once(func() error { return rounds.Await(ctx, args.Int("round", 0), args.Int("n", 0)) })
		},
		Done: func() error {
			m.stop()
			return done()
		},
	}, nil
}
