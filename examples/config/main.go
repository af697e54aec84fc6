// Config shows a configuration that is one node of JSON, decoded into a struct: a change that takes effect at once, a bad one that
// does not, and is reported, and the repair.
//
//	go run ./examples/config                     # on a ZooKeeper-protocol server inside this process
//	go run ./examples/config -zk host:port,...   # on a real ensemble
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
)

// Limits is how a service protects itself.
type Limits struct {
	RequestsPerSecond int      `json:"requestsPerSecond"`
	Blocked           []string `json:"blocked"`
}

// decode is JSON, and a rule of our own. Any func(data []byte) (T, error) is a codec.
func decode(data []byte) (Limits, error) {
	l, err := cache.JSON[Limits]()(data)
	if err == nil && l.RequestsPerSecond <= 0 {
		err = fmt.Errorf("requestsPerSecond is %d, and must be positive", l.RequestsPerSecond)
	}
	return l, err
}

func main() { stage.Main("config", tell) }

// tell is the story of one node and what is written into it.
func tell(ctx context.Context, s *stage.Stage) error {
	cli, err := framework.New(framework.Config{ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Namespace: s.Namespace})
	if err != nil {
		return err
	}
	defer s.Close("the service", cli)

	s.Title("1. There is no configuration yet. The service starts with its default.")
	limits, err := cache.OpenValueOr(ctx, cli, "/config/limits", decode, Limits{RequestsPerSecond: 100})
	if err != nil {
		return err
	}
	defer limits.Close()
	changes := limits.Changes(ctx)
	if _, err := show(ctx, s, changes); err != nil {
		return err
	}
	s.Promise(limits.Load().RequestsPerSecond == 100 && limits.Err() == nil, "the default is in force")

	s.Title("2. Somebody writes one.")
	if _, err := cli.Create(ctx, "/config/limits", []byte(`{"requestsPerSecond": 50}`), framework.Parents); err != nil {
		return err
	}
	if _, err := show(ctx, s, changes); err != nil {
		return err
	}
	s.Promise(limits.Load().RequestsPerSecond == 50, "it is in force; Load takes no lock, call it for every request")
	if err := mistakes(ctx, s, cli, limits, changes); err != nil {
		return err
	}

	s.Title("5. The repair.")
	if err := write(ctx, cli, `{"requestsPerSecond": 75, "blocked": ["mallory"]}`); err != nil {
		return err
	}
	last, err := show(ctx, s, changes)
	if err != nil {
		return err
	}
	s.Promise(limits.Load().RequestsPerSecond == 75 && last.Err == nil, "it is in force, and the error is gone")
	s.Promise(last.Rejected == 2, "%d states of the node were rejected since the start, for those who count", last.Rejected)
	return nil
}

// mistakes: neither what is no JSON nor what makes no sense takes effect.
func mistakes(ctx context.Context, s *stage.Stage, cli *framework.Client, limits *cache.Value[Limits], changes <-chan cache.Reading[Limits]) error {
	s.Title("3. Somebody forgets a bracket.")
	if err := write(ctx, cli, `{"requestsPerSecond": 75, "blocked": ["mallory"}`); err != nil {
		return err
	}
	bad, err := show(ctx, s, changes)
	if err != nil {
		return err
	}
	var syntax *json.SyntaxError
	s.Promise(errors.As(bad.Err, &syntax), "the error is reported, with the node")
	s.Promise(limits.Load().RequestsPerSecond == 50, "the last good configuration stays in force")
	_, err = limits.Fresh()
	s.Promise(err != nil, "whoever must not act on what is not the node's present state gets the error")

	s.Title("4. Somebody repairs it, nearly.")
	if err := write(ctx, cli, `{"requestsPerSecond": 0, "blocked": ["mallory"]}`); err != nil {
		return err
	}
	if bad, err = show(ctx, s, changes); err != nil {
		return err
	}
	s.Promise(bad.Err != nil && limits.Load().RequestsPerSecond == 50, "what decodes and makes no sense is refused as well")
	return nil
}

func write(ctx context.Context, cli *framework.Client, text string) error {
	_, err := cli.Set(ctx, "/config/limits", []byte(text), framework.AnyVersion)
	return err
}

// show tells the next reading.
func show(ctx context.Context, s *stage.Stage, changes <-chan cache.Reading[Limits]) (cache.Reading[Limits], error) {
	r, err := stage.Await(ctx, changes, func(cache.Reading[Limits]) bool { return true })
	if err != nil {
		return r, err
	}
	s.Say("value %+v", r.Value)
	if r.Err != nil {
		s.Say("error %v", r.Err)
	}
	return r, nil
}
