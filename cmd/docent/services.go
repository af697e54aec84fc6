package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/framework"
)

// servicesCommand shows a registry.
func (a *app) servicesCommand() *cobra.Command {
	s := &services{app: a}
	cmd := &cobra.Command{
		Use: "services [NAME]", Short: "Show services, or the instances of one", Args: cobra.MaximumNArgs(1),
		Long: "Services lists the services that are registered, with their numbers of instances; with NAME, the instances of one. " +
			"It reads what docent's package discovery and Curator's ServiceDiscovery write, and with --spring what Spring Cloud Zookeeper writes.\n\n" +
			"An instance that is disabled is registered, and gets no calls. A node that cannot be read as an instance is listed with the reason.",
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	f := cmd.Flags()
	f.StringVar(&s.base, "base", "/services", "path of the registry")
	f.BoolVar(&s.spring, "spring", false, "instances are in the format of Spring Cloud Zookeeper")
	f.IntVar(&s.limit, "limit", 1000, "show at most so many")
	cmd.RunE = a.action(func(ctx context.Context, cli *framework.Client, args []string) error {
		base, err := node(s.base)
		if err != nil {
			return err
		}
		if s.limit < 1 {
			return usagef("--limit is %d; it must be positive", s.limit)
		}
		if s.spring {
			return show(ctx, s, discovery.New(cli, base, discovery.WithCodec(discovery.Spring())), args)
		}
		return show(ctx, s, discovery.New[json.RawMessage](cli, base), args)
	})
	return cmd
}

// services shows one registry.
type services struct {
	*app
	base   string
	spring bool
	limit  int
}

func show[T any](ctx context.Context, s *services, r *discovery.Registry[T], args []string) error {
	if len(args) == 0 {
		return overview(ctx, s, r)
	}
	path, err := r.Path(args[0])
	if err != nil {
		return err
	}
	list, skipped, err := r.Instances(ctx, args[0])
	if err != nil {
		return err
	}
	if len(list)+len(skipped) == 0 {
		return s.nothing(path)
	}
	instances := make([]instanceJSON, 0, len(list))
	for _, in := range list[:min(len(list), s.limit)] {
		instances = append(instances, instanceOf(in))
	}
	return s.instances(path, instances, skipped, len(list)-len(instances))
}

// nothing is for a service without instances. It is not there, which is an error for a script as well.
func (s *services) nothing(path string) error {
	return &exitError{code: exitNoNode, err: fmt.Errorf("no instance is registered at %s", path)}
}

// instanceJSON is an instance, for programs.
type instanceJSON struct {
	ID         string          `json:"id"`
	Address    string          `json:"address,omitempty"`
	Port       int             `json:"port,omitempty"`
	SSLPort    int             `json:"sslPort,omitempty"`
	State      string          `json:"state"` // up, disabled
	Type       string          `json:"type"`
	Registered string          `json:"registered"`
	URI        string          `json:"uri,omitempty"`
	Payload    json.RawMessage `json:"payload,omitempty"`
}

func instanceOf[T any](in discovery.Instance[T]) instanceJSON {
	j := instanceJSON{
		ID: in.ID, Address: in.Address, Port: in.Port, SSLPort: in.SSLPort, State: "up",
		Type: fmt.Sprint(in.Type), Registered: clock(in.RegistrationTime), URI: in.URI(nil),
	}
	if in.Disabled {
		j.State = "disabled"
	}
	var payload bytes.Buffer
	e := json.NewEncoder(&payload)
	e.SetEscapeHTML(false)
	err := e.Encode(in.Payload)
	if text := bytes.TrimSpace(payload.Bytes()); err == nil && string(text) != "null" {
		j.Payload = text
	}
	return j
}

// skippedJSON is a node that is not an instance.
type skippedJSON struct {
	Node   string `json:"node"`
	Reason string `json:"reason"`
}

func (s *services) instances(path string, list []instanceJSON, skipped []discovery.Skipped, more int) error {
	bad := []skippedJSON{}
	for _, k := range skipped {
		bad = append(bad, skippedJSON{k.Path, k.Err.Error()})
	}
	if s.asJSON {
		s.out.json(struct {
			Path      string         `json:"path"`
			Instances []instanceJSON `json:"instances"`
			Skipped   []skippedJSON  `json:"skipped"`
			More      int            `json:"more,omitempty"`
		}{path, list, bad, more})
		return nil
	}
	rows := make([][]string, len(list))
	for i, in := range list {
		rows[i] = []string{in.ID, in.Address, port(in.Port), port(in.SSLPort), in.State, in.Registered, string(in.Payload)}
	}
	s.out.table([]string{"ID", "ADDRESS", "PORT", "TLS", "STATE", "REGISTERED", "PAYLOAD"}, rows)
	for _, b := range bad {
		s.out.printf("Skipped %s: %s\n", safe(b.Node), safe(b.Reason))
	}
	return s.left(more)
}

func port(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// serviceJSON is a service, for programs.
type serviceJSON struct {
	Name      string `json:"name"`
	Instances int    `json:"instances"`
	Disabled  int    `json:"disabled"`
	Skipped   int    `json:"skipped"`
}

func overview[T any](ctx context.Context, s *services, r *discovery.Registry[T]) error {
	names, err := r.Names(ctx)
	if err != nil {
		return err
	}
	more := max(len(names)-s.limit, 0)
	list := make([]serviceJSON, len(names)-more)
	for i := range list { // one after the other: the instances of each are read several at a time
		instances, skipped, err := r.Instances(ctx, names[i])
		if err != nil {
			return err
		}
		disabled := len(slices.DeleteFunc(slices.Clone(instances), func(in discovery.Instance[T]) bool { return !in.Disabled }))
		list[i] = serviceJSON{names[i], len(instances), disabled, len(skipped)}
	}
	if s.asJSON {
		s.out.json(struct {
			Base     string        `json:"base"`
			Services []serviceJSON `json:"services"`
			More     int           `json:"more,omitempty"`
		}{r.BasePath(), list, more})
		return nil
	}
	if len(list) == 0 {
		s.out.printf("No service is registered at %s.\n", s.shown(r.BasePath()))
		return nil
	}
	rows := make([][]string, len(list))
	for i, e := range list {
		rows[i] = []string{e.Name, strconv.Itoa(e.Instances), strconv.Itoa(e.Disabled), strconv.Itoa(e.Skipped)}
	}
	s.out.table([]string{"SERVICE", "INSTANCES", "DISABLED", "SKIPPED"}, rows)
	return s.left(more)
}
