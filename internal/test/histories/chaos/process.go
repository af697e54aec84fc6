//go:build linux

package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/docent-zk/docent/internal/test/histories"
)

// process is one life of a worker.
type process struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	stderr *head
	begun  chan error
	exited chan struct{}
	result error // read after exited

	mu    sync.Mutex
	said  map[string]bool
	heard chan struct{} // closed, and replaced, when it says something
}

// startProcess starts this program again, as a worker.
func startProcess(cfg workerConfig) (*process, error) {
	text, err := json.Marshal(cfg)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{
		cmd: exec.Command(program), stderr: new(head), said: make(map[string]bool), heard: make(chan struct{}),
		begun: make(chan error, 1), exited: make(chan struct{}),
	}
	p.cmd.Env = append(os.Environ(), WorkerEnv+"="+string(text), "GOMAXPROCS=2")
	p.cmd.Stderr = p.stderr
	// A group of its own: an interrupt from the terminal ends the test process, and the kernel ends this one with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	go p.run(out)
	return p, <-p.begun
}

// run is locked to its thread, because the kernel ends the process when the thread that started it ends.
func (p *process) run(out io.Reader) {
	defer close(p.exited)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		p.begun <- err
		return
	}
	p.begun <- nil
	for lines := bufio.NewScanner(out); lines.Scan(); {
		p.hear(lines.Text())
	}
	p.result = p.cmd.Wait()
}

func (p *process) hear(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said[line] = true
	close(p.heard)
	p.heard = make(chan struct{})
}

// await waits until the process has said the line.
func (p *process) await(ctx context.Context, line string) error {
	for {
		p.mu.Lock()
		said, heard := p.said[line], p.heard
		p.mu.Unlock()
		if said {
			return nil
		}
		select {
		case <-heard:
		case <-p.exited:
			return fmt.Errorf("process %d ended (%w) before it was %s; it says:\n%s", p.cmd.Process.Pid, p.result, line, p.stderr)
		case <-ctx.Done():
			return fmt.Errorf("process %d is not %s: %w", p.cmd.Process.Pid, line, context.Cause(ctx))
		}
	}
}

func (p *process) tell(command string) error {
	_, err := io.WriteString(p.in, command+"\n")
	return err
}

// signal goes through the handle, which never hits another process that got the number later.
func (p *process) signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// stop returns when every thread stands still.
func (p *process) stop(ctx context.Context) error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for !stopped(p.cmd.Process.Pid) && ctx.Err() == nil {
		histories.Wait(ctx, time.Millisecond)
	}
	return nil
}

// stopped reports whether the kernel shows all threads as stopped. A process that is gone is stopped.
func stopped(pid int) bool {
	stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for i := len(stat) - 1; i >= 0; i-- {
			if stat[i] == ')' { // the state follows the name
				if i+2 < len(stat) && stat[i+2] != 'T' {
					return false
				}
				break
			}
		}
	}
	return true
}

// kill ends the process, if it has not ended, and waits for that.
func (p *process) kill() {
	if p.cmd.Process != nil {
		_ = p.signal(syscall.SIGKILL)
	}
	_ = p.in.Close()
	<-p.exited
}

// head keeps the beginning of what is written to it: a panic's reason comes first.
type head struct {
	mu   sync.Mutex
	text []byte
}

const headSize = 16 << 10

func (h *head) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.text = append(h.text, b[:min(len(b), headSize-len(h.text))]...)
	return len(b), nil
}

func (h *head) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return string(h.text)
}
