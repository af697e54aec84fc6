package contest

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/docent-zk/docent/bench/suite/line"
)

// Peer is a program that can take part.
type Peer struct {
	Name string
	// Command builds the program and returns the command that starts it. An error says why the peer is missing here.
	Command func(ctx context.Context) (*exec.Cmd, error)
	// Compiles says that the peer is compiled while it works, so that its first seconds do not count.
	Compiles bool

	child   *line.Child
	missing error
	about   line.Answer
}

// About is what is known of a peer.
type About struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Runtime string `json:"runtime,omitempty"`
	Missing string `json:"missing,omitempty"` // why it does not take part
}

// About describes the peer once it was started.
func (p *Peer) About() About {
	a := About{Name: p.Name, Version: p.about.Text["version"], Runtime: p.about.Text["runtime"]}
	if p.missing != nil {
		a.Missing = p.missing.Error()
	}
	return a
}

// started returns the process of the peer. It is started if there is none, and again after it was lost.
func (p *Peer) started(ctx context.Context) (*line.Child, error) {
	if p.child != nil || p.missing != nil {
		return p.child, p.missing
	}
	cmd, err := p.Command(ctx)
	if err != nil {
		p.missing = err
		return nil, err
	}
	child, err := line.Start(p.Name, cmd)
	if err == nil {
		if p.about, err = child.Do(ctx, line.Command{Verb: line.Hello}); err != nil {
			err = errors.Join(err, child.Close())
		}
	}
	if err != nil {
		p.missing = err
		return nil, err
	}
	p.child = child
	return child, nil
}

// Start starts the process, if the peer can take part; About says why it cannot.
func (p *Peer) Start(ctx context.Context) { _, _ = p.started(ctx) }

// Exclude says why a peer cannot take part, although its program may be there: because its server is not.
func (p *Peer) Exclude(why string) {
	if p.missing == nil {
		p.missing = errors.New(why)
	}
}

// can reports whether the peer has said that it knows a workload.
func (p *Peer) can(work string) bool {
	for _, known := range strings.Fields(p.about.Text["workloads"]) {
		if known == work {
			return true
		}
	}
	return false
}

// lost forgets a process that is of no use any more.
func (p *Peer) lost() {
	if p.child != nil {
		_ = p.child.Close() // why it is of no use was reported already
		p.child = nil
	}
}

// Close ends the process.
func (p *Peer) Close() error {
	if p.child == nil {
		return nil
	}
	err := p.child.Close()
	p.child = nil
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	return nil
}
