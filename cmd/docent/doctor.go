package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/framework"
)

// doctorCommand diagnoses the way to the servers, and the servers.
func (a *app) doctorCommand() *cobra.Command {
	d := &doctor{app: a}
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what is wrong between here and the servers", Args: cobra.NoArgs,
		Long: "Doctor resolves the names of the servers, connects to each of them, opens a session as an application would, and looks at " +
			"identities, chroot, ACLs, clocks, containers and latency. It says in sentences what it finds and what to do about it.\n\n" +
			"To measure writes it creates two nodes named docent-doctor-... in the root of the namespace, and deletes them; --no-write leaves that out. " +
			"The exit code is 6 if there is a problem; a note is not one.",
	}
	cmd.Flags().BoolVar(&d.noWrite, "no-write", false, "write nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		a.started = true
		ctx, stop := a.interruptible(cmd.Context())
		defer stop()
		return d.run(ctx)
	}
	return cmd
}

// The verdicts of a finding.
const (
	verdictFine    = "ok"
	verdictNote    = "note"
	verdictProblem = "problem"
	verdictSkipped = "skipped"
)

// finding is one sentence of the doctor's.
type finding struct {
	Check   string `json:"check"`
	Verdict string `json:"verdict"`
	Text    string `json:"text"`
	Advice  string `json:"advice,omitempty"`
}

// doctor examines one ensemble.
type doctor struct {
	*app
	noWrite bool

	findings []finding
	problems int
	modes    map[string]int // of the servers that said so
	reached  int            // addresses that have answered
	cli      *framework.Client
	probe    framework.Node // the node that is written; without a path there is none
}

// find reports a finding, at once unless it is for JSON.
func (d *doctor) find(check, verdict, text, advice string) {
	d.findings = append(d.findings, finding{check, verdict, text, advice})
	if verdict == verdictProblem {
		d.problems++
	}
	if d.asJSON {
		return
	}
	d.out.printf("%-8s %-11s %s\n", verdict, check, safe(text))
	if advice != "" {
		d.out.printf("%-20s %s\n", "", safe(advice))
	}
	_ = d.out.flush() // remembered, and returned by the last one
}

func (d *doctor) run(ctx context.Context) error {
	d.examine(ctx)
	var signal interrupted
	if cause := context.Cause(ctx); cause != nil {
		signal, _ = cause.(interrupted)
	}
	switch {
	case signal.Signal != nil:
		return signal
	case d.asJSON:
		d.out.json(struct {
			Findings []finding `json:"findings"`
			Problems int       `json:"problems"`
		}{d.findings, d.problems})
	case d.problems == 0:
		d.out.printf("\nNo problem was found.\n")
	default:
		d.out.printf("\n%s found.\n", plural(d.problems, "problem"))
	}
	if err := d.out.flush(); err != nil {
		return err
	}
	if d.problems > 0 {
		return &exitError{code: exitUnhealthy}
	}
	return nil
}

// examine goes from the outside to the inside, and stops where the rest makes no sense.
func (d *doctor) examine(ctx context.Context) {
	cfg, err := d.config()
	if err != nil {
		d.find("settings", verdictProblem, err.Error(), "Correct the flags, or the environment variables: see docent --help.")
		return
	}
	d.settings(ctx)
	d.network(ctx)
	if d.reached == 0 || ctx.Err() != nil {
		return
	}
	d.ensemble()
	cli, err := framework.New(cfg)
	if err != nil {
		d.find("settings", verdictProblem, err.Error(), "")
		return
	}
	defer cli.Close() // all that it could say is that a recipe goes on, and none does
	d.cli = cli
	for _, step := range []func(context.Context) bool{d.session, d.identity, d.namespace, d.acl, d.create, d.clock, d.containers, d.latency} {
		if ctx.Err() != nil || !step(ctx) {
			return
		}
	}
	d.lacks()
}

// settings says what there is to say without asking anybody.
func (d *doctor) settings(ctx context.Context) {
	servers := d.named()
	list := make([]string, len(servers))
	for i, s := range servers {
		list[i] = s.String()
	}
	text := fmt.Sprintf("The connect string names %s: %s.", plural(len(servers), "server"), strings.Join(list, ", "))
	if len(servers) == 1 && !d.severalAddresses(ctx, servers[0]) {
		d.find("settings", verdictNote, text, "Name all servers of the ensemble in --servers, so that a client survives the restart of one.")
		return
	}
	d.find("settings", verdictFine, text, "")
}

// severalAddresses reports whether a name stands for several servers, as a DNS name may.
func (d *doctor) severalAddresses(ctx context.Context, s server) bool {
	ctx, cancel := d.briefly(ctx)
	defer cancel()
	addresses, err := d.addresses(ctx, s)
	return err == nil && len(addresses) > 1
}
