// Leader shows an HTTP service of three replicas with a scheduler that runs in exactly one of them: one is cut off while it
// leads, another one is told to end (as by SIGTERM) and hands over at once.
//
//	go run ./examples/leader                     # on a ZooKeeper-protocol server inside this process
//	go run ./examples/leader -zk host:port,...   # on a real ensemble
//
// One replica as a process of its own, to be started several times and ended by Ctrl-C or SIGTERM (go run does not pass that on):
//
//	go run ./examples/leader serve -zk host:port,... -id anna
package main

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		os.Exit(serve(os.Args[2:], os.Stdout))
	}
	stage.Main("leader", tell)
}

// tell is the story of three replicas and a journal of what their schedulers do.
func tell(ctx context.Context, s *stage.Stage) error {
	cfg := framework.Config{ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Namespace: s.Namespace}
	journal := &journal{}
	var all []*replica
	defer func() {
		for _, r := range all {
			r.terminate()
			s.Close(r.id, r)
		}
	}()
	for _, id := range []string{"anna", "ben", "cleo"} {
		r, err := startReplica(context.WithoutCancel(ctx), cfg, id, job{every: 10 * time.Millisecond, run: journal.add})
		if err != nil {
			return err
		}
		all = append(all, r)
	}

	s.Title("1. Three replicas start. A load balancer would ask each for /status.")
	first, err := onlyLeader(ctx, s, all)
	if err != nil {
		return err
	}
	second, err := cutOff(ctx, s, all, first)
	if err != nil {
		return err
	}
	if err := handOver(ctx, s, all, second); err != nil {
		return err
	}
	s.Title("The journal of all schedulers.")
	entries := journal.all()
	s.Say("%d runs", len(entries))
	s.Promise(slices.IsSorted(entries), "their fencing tokens never went back: no former leader ran behind a later one")
	return nil
}

// cutOff takes the leader's way to ZooKeeper away. Its HTTP clients reach it as before.
func cutOff(ctx context.Context, s *stage.Stage, all []*replica, leads *replica) (*replica, error) {
	s.Title("2. The leader's packets to ZooKeeper vanish.")
	before, err := leads.ask(ctx)
	if err != nil {
		return nil, err
	}
	leads.cable.Unplug()
	next, err := until(ctx, all, func(now []status) int {
		if slices.ContainsFunc(now, func(st status) bool { return st.Leader && st.ID == leads.id }) {
			return -1
		}
		return slices.IndexFunc(now, func(st status) bool { return st.Leader })
	})
	if err != nil {
		return nil, err
	}
	after, err := all[next].ask(ctx)
	if err != nil {
		return nil, err
	}
	s.Say("%s leads with fencing token %d", after.ID, after.Token)
	s.Promise(after.Token > before.Token, "leadership has moved on, and the token has grown")
	old, err := leads.ask(ctx)
	if err != nil {
		return nil, err
	}
	s.Promise(!old.Leader && old.Stopped.Before(after.Began), "%s stopped %v before, because: %s", old.ID,
		after.Began.Sub(old.Stopped).Round(time.Millisecond), old.Why)
	leads.cable.Plug()
	return all[next], nil
}

// handOver ends the leader in order.
func handOver(ctx context.Context, s *stage.Stage, all []*replica, leads *replica) error {
	s.Title("3. The leader is told to end, as by SIGTERM. Its scheduler finishes what it is at.")
	leads.terminate()
	old, err := leads.ask(ctx) // HTTP is served to the last
	if err != nil {
		return err
	}
	s.Say("%s has stopped: %s", old.ID, old.Why)
	next, err := until(ctx, all, func(now []status) int {
		return slices.IndexFunc(now, func(st status) bool { return st.Leader && st.ID != leads.id })
	})
	if err != nil {
		return err
	}
	after, err := all[next].ask(ctx)
	if err != nil {
		return err
	}
	s.Promise(!old.Leader && old.Stopped.Before(after.Began), "%s took over %v later, without waiting for a session to end", after.ID,
		after.Began.Sub(old.Stopped).Round(100*time.Microsecond))
	return nil
}

// onlyLeader waits for a leader and says what each replica says.
func onlyLeader(ctx context.Context, s *stage.Stage, all []*replica) (*replica, error) {
	leads, err := until(ctx, all, func(now []status) int {
		return slices.IndexFunc(now, func(st status) bool { return st.Leader })
	})
	if err != nil {
		return nil, err
	}
	leaders := 0
	for _, r := range all {
		now, err := r.ask(ctx)
		if err != nil {
			return nil, err
		}
		s.Say("http://%s/status: %s, leader %v, token %d", r.address(), now.ID, now.Leader, now.Token)
		if now.Leader {
			leaders++
		}
	}
	s.Promise(leaders == 1, "exactly one runs the scheduler")
	return all[leads], nil
}
