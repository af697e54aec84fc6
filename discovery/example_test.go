package discovery_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// connect starts an in-process server and a client of it.
func connect() (cli *framework.Client, stop func()) {
	server, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	cli, err = framework.New(framework.Config{ConnectString: server.ConnectString()})
	if err != nil {
		log.Fatal(err)
	}
	return cli, func() { _, _ = cli.Close(), server.Close() }
}

// Placement is a payload of one's own.
type Placement struct {
	Zone   string `json:"zone"`
	Weight int    `json:"weight"`
}

// Two instances, a view, and calls that take turns.
func Example() {
	cli, stop := connect()
	defer stop()
	ctx := context.Background()
	reg := discovery.New[Placement](cli, "/services")
	for _, port := range []int{8081, 8082} {
		r, err := reg.Register(ctx, discovery.Instance[Placement]{Name: "orders", Address: "10.0.0.7", Port: port})
		if err != nil {
			log.Fatal(err)
		}
		defer r.Close(ctx)
	}

	svc, err := reg.Open(ctx, "orders")
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	seen := map[string]int{}
	for range 10 {
		in, err := svc.Pick()
		if err != nil {
			log.Fatal(err)
		}
		seen[in.HostPort()]++ // call it here
		in.Done(nil)          // with the error of the call
	}
	fmt.Println(seen)
	// Output: map[10.0.0.7:8081:5 10.0.0.7:8082:5]
}

// An instance that goes down for an update takes no more calls, and ends when those under way are done.
func ExampleRegistration_Drain() {
	cli, stop := connect()
	defer stop()
	ctx := context.Background()
	reg := discovery.New[any](cli, "/services")
	r, err := reg.Register(ctx, discovery.Instance[any]{Name: "orders", ID: "a", Address: "10.0.0.7", Port: 8080})
	if err != nil {
		log.Fatal(err)
	}
	svc, err := reg.Open(ctx, "orders")
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	changes := svc.Changes(ctx)
	<-changes

	drained := make(chan error)
	go func() { drained <- r.Drain(ctx, time.Minute) }()
	change := <-changes
	_, err = svc.Pick()
	fmt.Println("disabled:", change.Updated[0].Disabled, "- nothing to pick:", errors.Is(err, discovery.ErrNoInstances))
	_ = r.Close(ctx) // the last call is over, or a second signal has come: no need to wait for the rest of the minute
	change = <-changes
	fmt.Println("instances:", change.Len(), "- drained:", <-drained)
	// Output:
	// disabled: true - nothing to pick: true
	// instances: 0 - drained: <nil>
}

// Calls in proportion to what the instances say of themselves, within the zone as long as there is one there.
func ExampleWithWeight() {
	cli, stop := connect()
	defer stop()
	ctx := context.Background()
	reg := discovery.New(cli, "/services",
		discovery.WithWeight(func(in *discovery.Instance[Placement]) float64 { return float64(in.Payload.Weight) }),
		discovery.WithZone(func(in *discovery.Instance[Placement]) string { return in.Payload.Zone }))
	for id, p := range map[string]Placement{"near": {"a", 1}, "idle": {"a", 0}, "far": {"b", 100}} {
		if _, err := reg.Register(ctx, discovery.Instance[Placement]{Name: "orders", ID: id, Address: "10.0.0.1", Port: 8080, Payload: p}); err != nil {
			log.Fatal(err)
		}
	}
	svc, err := reg.Open(ctx, "orders", discovery.WithStrategy(discovery.Weighted()), discovery.PreferZone("a"))
	if err != nil {
		log.Fatal(err)
	}
	defer svc.Close()
	in, err := svc.Pick()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(in.Key(), in.Zone(), in.Weight())
	// Output: near a 1
}

// What Curator's ServiceDiscovery would write for the same instance.
func ExampleJSON() {
	codec := discovery.JSON[Placement](discovery.Class("com.example.Placement"))
	spec, _ := discovery.ParseURISpec("{scheme}://{address}:{port}")
	in := discovery.Instance[Placement]{
		Name: "orders", ID: "a", Address: "10.0.0.7", Port: 8080, Payload: Placement{"a", 3},
		RegistrationTime: time.UnixMilli(1700000000000), URISpec: spec,
	}
	data, err := codec.Encode(in)
	if err != nil {
		log.Fatal(err)
	}
	var fields struct{ Payload, ServiceType, URISpec json.RawMessage }
	if err := json.Unmarshal(data, &fields); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n%s\n%s\n", fields.Payload, fields.ServiceType, in.URI(nil))
	// Output:
	// {"@class":"com.example.Placement","zone":"a","weight":3}
	// "DYNAMIC"
	// http://10.0.0.7:8080
}
