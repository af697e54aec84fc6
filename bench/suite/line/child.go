package line

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// ErrEnded says that a peer's process has ended, or has said something that is not an answer.
var ErrEnded = errors.New("the peer has ended")

// endLimit bounds how long a peer may take to end.
const endLimit = 5 * time.Second

// Child is a peer, as the benchmark sees it. It does one command at a time; callers wait for each other.
type Child struct {
	name string
	in   io.WriteCloser
	log  *tail
	stop func() error

	mu      sync.Mutex // held while the peer does a command
	answers chan Answer
	ended   chan struct{} // closed when no more answers come
	why     error         // set before ended is closed
}

// Start starts a process as a peer.
func Start(name string, cmd *exec.Cmd) (*Child, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	log := new(tail)
	cmd.Stderr = log
	cmd.WaitDelay = endLimit
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	c := attach(name, in, out)
	c.log = log
	c.stop = func() error {
		timer := time.AfterFunc(endLimit, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		<-c.ended // else Wait would close what is still read
		return cmd.Wait()
	}
	return c, nil
}

// attach speaks to a peer over any pair of pipes.
func attach(name string, in io.WriteCloser, out io.Reader) *Child {
	c := &Child{name: name, in: in, log: new(tail), answers: make(chan Answer, 1), ended: make(chan struct{})}
	c.stop = func() error {
		<-c.ended
		return nil
	}
	go c.listen(out)
	return c
}

// Name returns the peer's name.
func (c *Child) Name() string { return c.name }

// Do sends a command and waits for the answer. If ctx ends first the peer is of no use any more: what it answers then
// belongs to nobody.
func (c *Child) Do(ctx context.Context, command Command) (Answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case early := <-c.answers:
		return early, c.failed(command, fmt.Errorf("%w: it has answered without being asked", ErrEnded))
	default:
	}
	_, _ = io.WriteString(c.in, command.String()+"\n") // a peer that does not read has ended, which listen notices
	select {
	case answer := <-c.answers:
		if answer.Error != "" {
			return answer, c.failed(command, errors.New(answer.Error))
		}
		return answer, nil
	case <-c.ended:
		return Answer{}, c.failed(command, c.why)
	case <-ctx.Done():
		_ = c.in.Close()
		return Answer{}, c.failed(command, context.Cause(ctx))
	}
}

func (c *Child) failed(command Command, err error) error {
	if text := c.log.String(); text != "" && errors.Is(err, ErrEnded) {
		return fmt.Errorf("%s: %s %s: %w; it has written:\n%s", c.name, command.Verb, command.Workload, err, text)
	}
	return fmt.Errorf("%s: %s %s: %w", c.name, command.Verb, command.Workload, err)
}

// Close ends the peer and waits for it. A peer that does not end is killed.
func (c *Child) Close() error {
	_ = c.in.Close()
	return c.stop()
}

// listen reads answers until the output ends or contains something else. Then it discards the rest, so that the peer is not
// blocked in a write.
func (c *Child) listen(out io.Reader) {
	c.why = c.read(out)
	close(c.ended)
	_, _ = io.Copy(io.Discard, out)
}

func (c *Child) read(out io.Reader) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var answer Answer
		if err := json.Unmarshal(lines.Bytes(), &answer); err != nil {
			return fmt.Errorf("%w: %q is not an answer: %w", ErrEnded, lines.Text(), err)
		}
		select {
		case c.answers <- answer:
		default:
			return fmt.Errorf("%w: it answers without being asked: %q", ErrEnded, lines.Text())
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return ErrEnded
}
