package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
)

// replica is one copy of the service.
type replica struct {
	id      string
	cable   *stage.Cable
	cli     *framework.Client
	http    *http.Server
	listens net.Listener
	journal *journal

	end    context.CancelFunc // what SIGTERM does; see signal.NotifyContext
	stands chan struct{}      // closed when it does not stand for election any more
	served chan struct{}      // closed when HTTP is not served any more

	mu     sync.Mutex
	status status
}

// status is what a replica says of itself.
type status struct {
	ID      string    `json:"id"`
	Leader  bool      `json:"leader"`
	Token   int64     `json:"token,omitempty"`  // of the latest term
	Began   time.Time `json:"began,omitzero"`   // the latest term
	Stopped time.Time `json:"stopped,omitzero"` // the latest term that is over
	Why     string    `json:"why,omitempty"`    // it is over
}

func startReplica(s *stage.Stage, id string, j *journal) (*replica, error) {
	r := &replica{
		id: id, cable: &stage.Cable{}, journal: j,
		stands: make(chan struct{}), served: make(chan struct{}), status: status{ID: id},
	}
	cli, err := framework.New(framework.Config{
		ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Namespace: s.Namespace, Dialer: r.cable.Dial,
	})
	if err != nil {
		return nil, err
	}
	if r.listens, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	r.cli = cli
	r.http = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	ctx, end := context.WithCancel(context.Background()) // a service of its own: signal.NotifyContext(..., syscall.SIGTERM)
	r.end = end
	go func() {
		defer close(r.served)
		_ = r.http.Serve(r.listens) // it ends with ErrServerClosed
	}()
	go func() {
		defer close(r.stands)
		// Hold keeps leadership through a blip, for as long as nobody else can lead.
		err := leader.Run(ctx, cli, "/scheduler", r.schedule, leader.WithID(id), leader.Hold(0))
		if ctx.Err() == nil {
			r.note(func(st *status) { st.Why = fmt.Sprint("it does not stand any more: ", err) })
		}
	}()
	return r, nil
}

// schedule is what the leader does, until ctx ends. It returns when nothing of it is under way any more: then others may lead.
func (r *replica) schedule(ctx context.Context, t *leader.Term) error {
	r.note(func(st *status) { st.Leader, st.Token, st.Began, st.Why = true, t.Token(), time.Now(), "" })
	defer func() {
		r.note(func(st *status) {
			st.Leader, st.Stopped, st.Why = false, time.Now(), stage.Reason(context.Cause(ctx))
		})
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			r.journal.add(t.Token()) // what must not be done twice
		}
	}
}

func (r *replica) note(change func(*status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

// ServeHTTP answers /status.
func (r *replica) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	now := r.status
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(now) // whoever asked has gone
}

// terminate is SIGTERM, up to where the replica has given up leadership. It may be called repeatedly.
func (r *replica) terminate() {
	r.end()
	<-r.stands
}

// Close ends what is left of a replica that was terminated.
func (r *replica) Close() error {
	r.cable.Plug()
	err := r.http.Close()
	<-r.served
	return errors.Join(err, r.cli.Close())
}

func (r *replica) address() string { return r.listens.Addr().String() }
