package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	job     job

	end    context.CancelFunc // what SIGTERM does, see serve
	stands chan struct{}      // closed when it does not stand for election any more
	served chan struct{}      // closed when HTTP is not served any more

	mu     sync.Mutex
	status status
}

// job is what must not be done twice at a time.
type job struct {
	every time.Duration
	run   func(token int64)
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

// startReplica starts a replica. It stands for election until ctx ends or it is terminated.
func startReplica(ctx context.Context, cfg framework.Config, id string, j job) (*replica, error) {
	r := &replica{
		id: id, cable: &stage.Cable{}, job: j,
		stands: make(chan struct{}), served: make(chan struct{}), status: status{ID: id},
	}
	cfg.Dialer = r.cable.Dial
	cli, err := framework.New(cfg)
	if err != nil {
		return nil, err
	}
	if r.listens, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	r.cli = cli
	r.http = &http.Server{Handler: r.routes(), ReadHeaderTimeout: 10 * time.Second}
	ctx, r.end = context.WithCancel(ctx)
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
			st.Leader, st.Stopped, st.Why = false, stage.Earlier(time.Now(), t.TrustedUntil()), stage.Reason(context.Cause(ctx))
		})
	}()
	tick := time.NewTicker(r.job.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if ctx.Err() == nil { // which looks at the clock: both channels may be ready
				r.job.run(t.Token())
			}
		}
	}
}

func (r *replica) note(change func(*status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

// routes are the service: every replica answers what is posted to it, and says what it is.
func (r *replica) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", r.tellStatus)
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, q *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(w, q.Body, 1<<16))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintf(w, "%s: %s", r.id, text)
	})
	return mux
}

func (r *replica) tellStatus(w http.ResponseWriter, _ *http.Request) {
	r.mu.Lock()
	now := r.status
	r.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(now) // whoever asked has gone
}

// terminate makes the replica give up leadership, and waits until it has. It may be called repeatedly.
func (r *replica) terminate() {
	r.end()
	<-r.stands
}

// shutdown ends a replica that was terminated: no new request is taken, and those under way are answered while ctx lives.
func (r *replica) shutdown(ctx context.Context) error {
	err := r.http.Shutdown(ctx)
	return errors.Join(err, r.Close())
}

// Close ends what is left of a replica that was terminated, at once.
func (r *replica) Close() error {
	r.cable.Plug()
	err := r.http.Close()
	<-r.served
	return errors.Join(err, r.cli.Close())
}

func (r *replica) address() string { return r.listens.Addr().String() }
