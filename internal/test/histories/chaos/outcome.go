//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/docent-zk/docent/framework"
)

// Outcome is what a run has seen.
type Outcome struct {
	Records    []Record
	Faults     []Fault
	Complaints []string // of processes that have written to standard error
	Begun      Nanos
	Calm       Nanos              // when the faults were over
	Last       Nanos              // when everything was
	Registers  map[string]Version // what the registers are at the end, by path
	Counters   map[string]int64
	Logged     map[string][]Set // by path of the register
	Timeout    time.Duration    // of sessions
	Margin     time.Duration    // of trust
	Workers    int
}

// Version is the state of a register.
type Version struct {
	Version int32
	Zxid    int64
	Data    string
}

// outcome reads what was written by whoever ran, and at the servers. The servers are killed for that. Servers that are not well are not waited for.
func (run *Run) outcome(ctx context.Context, well bool) (*Outcome, error) {
	limit := patience
	if !well {
		limit = patience / 10
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	o := &Outcome{
		Faults: run.faults, Complaints: run.complaints, Begun: run.begun, Calm: run.calm, Last: Now(), Timeout: sessionTimeout, Margin: trustMargin, Workers: run.Workers,
		Registers: make(map[string]Version), Counters: make(map[string]int64), Logged: make(map[string][]Set),
	}
	for _, file := range run.files {
		records, err := ReadJournal(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		o.Records = append(o.Records, records...)
	}
	if err := run.readNodes(ctx, o); err != nil {
		return nil, err
	}
	return o, run.readLogs(o)
}

// readNodes reads the registers and the counters that were used.
func (run *Run) readNodes(ctx context.Context, o *Outcome) error {
	if err := run.keeper.Sync(ctx, root); err != nil {
		return err
	}
	for _, r := range o.Records {
		if r.Op != Wrote && r.Op != Added {
			continue
		}
		if _, read := o.Registers[r.Object]; read {
			continue
		}
		n, err := run.keeper.Get(ctx, root+r.Object)
		if errors.Is(err, framework.ErrNoNode) && r.Op == Added {
			continue // nobody knows whether anything was added
		}
		if err != nil {
			return err
		}
		o.Registers[r.Object] = Version{n.Stat.Version, n.Stat.Mzxid, string(n.Data)}
		if r.Op == Added {
			o.Counters[r.Object] = bigEndian(n.Data)
		}
	}
	return nil
}

func bigEndian(data []byte) (n int64) {
	for _, b := range data {
		n = n<<8 | int64(b)
	}
	return n
}

// readLogs reads the transaction logs of all servers. A set that several of them have counts once.
func (run *Run) readLogs(o *Outcome) error {
	seen := make(map[Set]bool)
	for _, s := range run.cluster.Servers() {
		if s.Running() {
			if err := s.Kill(); err != nil {
				return err
			}
		}
		err := ReadLogs(s.DataDir(), func(s Set) {
			path, ours := strings.CutPrefix(s.Path, root)
			if s.Path = path; !ours || !strings.HasPrefix(path, register("")) || seen[s] {
				return
			}
			seen[s] = true
			o.Logged[path] = append(o.Logged[path], s)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
