package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// workerEnv makes this program the command that the demonstration runs.
const workerEnv = "DOCENT_LOCKRUN_WORKER"

// work is that command: a name, what to do, and for how long.
func work(args []string) int {
	name, what := args[0], args[1]
	fmt.Printf("%s begins, with token %s\n", name, os.Getenv("DOCENT_TOKEN"))
	switch what {
	case "fail":
		return 7
	case "stay":
		time.Sleep(time.Minute)
	default:
		time.Sleep(200 * time.Millisecond)
	}
	fmt.Printf("%s ends\n", name)
	return 0
}

// demonstrate tells what lockrun does, on a server in this process, and returns the exit status.
func demonstrate(ctx context.Context, out io.Writer) int {
	if err := os.Setenv(workerEnv, "yes"); err != nil {
		fmt.Fprintln(out, "lockrun:", err)
		return stage.Untold
	}
	return (&stage.Stage{Name: "lockrun", Out: out, Timeout: 10 * time.Second}).Play(ctx, tell)
}

func tell(ctx context.Context, s *stage.Stage) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	d := &demo{s: s, self: self}
	d.turns()
	d.statuses()
	return d.conflict(ctx)
}

type demo struct {
	s    *stage.Stage
	self string
}

// run runs a worker under /locks/demo, and returns the status and everything that was written.
func (d *demo) run(name, what string, change func(*runner)) (int, string) {
	out := &transcript{}
	r := &runner{
		options: options{
			zk: d.s.ConnectString, timeout: d.s.Timeout, wait: -1, conflict: statusConflict,
			path: "/locks/demo", command: []string{d.self, name, what},
		},
		stdout: out, stderr: out,
	}
	if change != nil {
		change(r)
	}
	status := r.run()
	return status, out.String()
}

var ofTurns = regexp.MustCompile(`^(\w+) begins, with token (\d+)\n(\w+) ends\n$`)

// turns: one at a time.
func (d *demo) turns() {
	d.s.Title("1. Three lockruns are started at once, on one lock.")
	log := &transcript{}
	var all sync.WaitGroup
	for _, name := range []string{"anna", "ben", "cleo"} {
		all.Go(func() {
			status, err := d.run(name, "turn", func(r *runner) { r.stdout = log })
			if status != 0 {
				fmt.Fprintf(log, "%s: status %d, %s\n", name, status, err)
			}
		})
	}
	all.Wait()
	lines := strings.SplitAfter(log.String(), "\n")
	d.s.Say("their output:\n%s", indent(log.String()))
	kept, last := len(lines) == 7, ""
	for i := 0; kept && i < 6; i += 2 {
		m := ofTurns.FindStringSubmatch(lines[i] + lines[i+1])
		kept = m != nil && m[1] == m[3] && (len(last) < len(m[2]) || last < m[2])
		if kept {
			last = m[2]
		}
	}
	d.s.Promise(kept, "they took turns, and the fencing token grew")
}

// statuses: how it ends.
func (d *demo) statuses() {
	d.s.Title("2. The command fails.")
	status, out := d.run("anna", "fail", nil)
	d.s.Say("output:\n%s", indent(out))
	d.s.Promise(status == 7, "its exit status %d is lockrun's", status)

	d.s.Title("3. The lock is lost: the server ends the session.")
	status, out = d.run("anna", "stay", func(r *runner) {
		r.started = func(cli *framework.Client) { d.s.Server.ExpireSession(cli.State().SessionID) }
	})
	d.s.Say("output:\n%s", indent(out))
	d.s.Promise(status == statusLost, "the command was stopped, which would have run for a minute; exit status %d", status)
}

// conflict: somebody else has the lock.
func (d *demo) conflict(ctx context.Context) error {
	d.s.Title("4. Somebody else holds the lock, and lockrun waits for 300 ms.")
	cli, err := framework.New(framework.Config{ConnectString: d.s.ConnectString})
	if err != nil {
		return err
	}
	defer d.s.Close("the holder", cli)
	held, err := lock.New(cli, "/locks/demo").Lock(ctx)
	if err != nil {
		return err
	}
	status, out := d.run("anna", "turn", func(r *runner) { r.wait = 300 * time.Millisecond })
	d.s.Say("output:\n%s", indent(out))
	d.s.Promise(status == statusConflict, "the command did not run; exit status %d", status)
	return held.Unlock(ctx)
}

func indent(text string) string {
	return "               " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n               ")
}

// transcript collects what several write at once.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to it.
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

// String is what was written until now.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
