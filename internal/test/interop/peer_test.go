package interop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"strings"
	"sync"
)

// peer is a process of another language with many actors in it.
type peer struct {
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	log   *tail
	ended chan struct{} // closed when nothing more comes from it

	mu    sync.Mutex
	last  int
	calls map[string]*call // those without an answer; nil when the process has ended
}

// errEnded is what has become of calls that the process did not answer.
var errEnded = errors.New("its process has ended")

// startPeer starts a process and waits until it says that it is ready.
func startPeer(name string, cmd *exec.Cmd) (*peer, error) {
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if err := errors.Join(errIn, errOut); err != nil {
		return nil, err
	}
	p := &peer{name: name, cmd: cmd, in: in, log: new(tail), ended: make(chan struct{}), calls: map[string]*call{}}
	cmd.Stderr = p.log
	ready := newCall(name + " starts")
	p.calls["0"] = ready
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go p.listen(out)
	if _, err := ready.result(); err != nil {
		p.end()
		return nil, fmt.Errorf("%w\n%s", err, p.log)
	}
	return p, nil
}

// end ends the process and waits for it. Its clients go with it.
func (p *peer) end() {
	_ = p.in.Close()
	<-p.ended
	_ = p.cmd.Wait()
}

// begin has an actor do something beside the test.
func (p *peer) begin(actor, command string, args ...any) *call {
	words := []string{actor, command}
	for _, arg := range args {
		words = append(words, fmt.Sprint(arg))
	}
	c := newCall(fmt.Sprintf("%s %v", p.name, words))
	id, ok := p.register(c)
	if !ok {
		c.finish(nil, errEnded)
		return c
	}
	line := id
	for _, word := range words {
		line += " " + url.QueryEscape(word)
	}
	_, _ = io.WriteString(p.in, line+"\n") // listen tells what is wrong if this fails
	return c
}

func (p *peer) register(c *call) (id string, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls == nil {
		return "", false
	}
	p.last++
	id = fmt.Sprint(p.last)
	p.calls[id] = c
	return id, true
}

// listen hands answers to those who wait for them, until the process ends.
func (p *peer) listen(out io.Reader) {
	defer close(p.ended)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		words := strings.Split(lines.Text(), " ")
		for i := range words {
			words[i], _ = url.QueryUnescape(words[i])
		}
		if len(words) >= 2 {
			p.answered(words[0], words[1], words[2:])
		}
	}
	p.mu.Lock()
	left := p.calls
	p.calls = nil
	p.mu.Unlock()
	for _, c := range left {
		c.finish(nil, errEnded)
	}
}

func (p *peer) answered(id, what string, values []string) {
	p.mu.Lock()
	c := p.calls[id]
	delete(p.calls, id)
	p.mu.Unlock()
	switch {
	case c == nil:
	case what == "ok":
		c.finish(values, nil)
	default:
		c.finish(nil, errors.New(strings.Join(values, " ")))
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailSize is what it keeps, in bytes.
const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-tailSize):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
