package sim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// processPart is a lock that processes hold. They die and are started again, each with the file of its session. A process is a client, on
// the host of one of the play's clients, and those who use it.
type processPart struct {
	contest
	files string // directory of the files
}

func drawProcess(b *base) part {
	return &processPart{contest: contest{base: b, tries: true, dirs: []string{b.path}}}
}

func (p *processPart) open() (err error) {
	if p.files, err = os.MkdirTemp("", "docent-sim-"); err != nil {
		return err
	}
	context.AfterFunc(p.late, func() { _ = os.RemoveAll(p.files) })
	return p.contest.open()
}

func (p *processPart) join(client int, _ *framework.Client) error {
	m := &machine{processPart: p, client: client, file: filepath.Join(p.files, fmt.Sprint(client))}
	p.users.Go(m.work)
	return nil
}

// machine runs one process after the other, with the same file.
type machine struct {
	*processPart
	client int
	file   string
	lives  int
}

// incarnation is one life of a process.
type incarnation struct {
	*user
	machine *machine
	wires   *wires
	end     context.CancelFunc
}

func (m *machine) work() {
	for m.ctx.Err() == nil && !m.isCalm() {
		m.live()
	}
	m.comeBack()
}

// live starts a process, and ends it in one of several ways, unless the play becomes calm first.
func (m *machine) live() {
	p := m.start()
	if p == nil {
		return
	}
	var workers sync.WaitGroup
	for i := range 1 + p.r.IntN(2) {
		u := m.newUser(m.client, p.cli, fmt.Sprintf("process %d worker %d", m.lives, i))
		u.ctx = p.ctx
		workers.Go(func() {
			get := m.mutex(u, m.path)
			u.during(func() { m.once(u, get) })
		})
	}
	if p.may("second process", 3) {
		p.pause(m.ctx, p.upTo(p.Timeout))
		if other, err := m.beside(p.user, &wires{}); !errors.Is(err, framework.ErrSessionFileInUse) {
			p.say("a second process was started beside it: %v, %w", other, err)
		}
	}
	p.pause(m.ctx, p.upTo(3*p.Timeout))
	p.die(p.oneOf("killed", "killed", "machine lost", "closed"))
	workers.Wait()
	if p.may("file removed", 8) {
		_ = os.Remove(m.file)
	}
	if oneIn(p.r, 2) {
		p.pause(m.ctx, p.upTo(p.Timeout))
	}
}

// comeBack: in calm, a process that dies while it holds a lock and is started again has the lock again long before its session would have expired.
func (m *machine) comeBack() {
	own := fmt.Sprintf("%s-%d", m.path, m.client)
	first := m.start()
	if first == nil {
		return
	}
	if _, err := lock.New(first.cli, first.own(own)).Lock(m.ctx); err != nil {
		first.say("did not get the lock although all is calm: %w", err)
		return
	}
	first.die(first.oneOf("killed", "machine lost"))
	second := m.start()
	if second == nil {
		return
	}
	begun := m.w.Now()
	h, err := lock.New(second.cli, second.own(own)).Lock(m.ctx)
	switch took := m.w.Now() - begun; {
	case err != nil:
		second.say("did not get the lock of the process before although all is calm: %w", err)
	case took > m.Timeout/2:
		second.say("waited %v for the lock of the process before", took)
	}
	m.contend(second.user, m.mutex(second.user, m.path))
	if err == nil {
		_ = h.Unlock(m.ctx)
	}
	<-m.ctx.Done()
	_ = second.cli.Close()
}

// start starts a process as soon as the one before has ended; nil if the play is over before that.
func (m *machine) start() *incarnation {
	m.lives++
	p := &incarnation{user: m.newUser(m.client, nil, fmt.Sprint("process ", m.lives)), machine: m, wires: &wires{}}
	p.ctx, p.end = context.WithCancel(m.ctx)
	for m.ctx.Err() == nil {
		cli, err := m.beside(p.user, p.wires)
		if err == nil {
			p.cli = cli
			return p
		}
		if !errors.Is(err, framework.ErrSessionFileInUse) {
			p.say("start: %w", err)
			return nil
		}
		sleepUntil(m.ctx, 10*time.Millisecond)
	}
	return nil
}

// beside is a client with the machine's file.
func (m *machine) beside(u *user, w *wires) (*framework.Client, error) {
	cli, err := m.w.unkept(clientName(m.client), m.hands[m.client].slept, func(c *framework.Config) {
		c.SessionTimeout, c.SessionFile = m.Timeout, m.file
		c.Random = m.w.Random(u.name)
		c.Dialer = w.dialer(m.gates[m.client].dialer(c.Dialer))
		m.Roots[m.client].tune(c)
		m.setOptions(c, m.client)
	})
	if err != nil {
		return nil, err
	}
	context.AfterFunc(m.late, func() { _ = cli.Close() })
	return m.Roots[m.client].client(cli)
}

// mutex takes a lock.
func (m *machine) mutex(u *user, path string) take {
	mutex := lock.New(u.cli, u.own(path), u.lockOptions(false)...)
	return func(ctx context.Context, try bool) (*grip, error) {
		lockIt := mutex.Lock
		if try {
			lockIt = mutex.TryLock
		}
		h, err := lockIt(ctx)
		if err != nil {
			return nil, err
		}
		return held(h, path), nil
	}
}

// die ends a process: in order, or at once, which the servers notice when its connections are closed by its machine, or not at all.
func (p *incarnation) die(how string) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if how == "closed" {
		p.end()
		_ = p.cli.Close()
		return
	}
	p.wires.cut(how == "machine lost")
	p.end()
	_ = p.cli.Shutdown(ended) // nothing goes out any more: this is the end of what the client has held, and of its lock of the file
}

// wires are the connections of a process, until it dies.
type wires struct {
	mu     sync.Mutex
	dead   bool
	silent bool // the servers are not told
	conns  []net.Conn
}

var errDead = errors.New("the process is dead")

// cut ends all connections.
func (w *wires) cut(silent bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dead, w.silent = true, silent
	for _, c := range w.conns {
		if silent {
			_ = c.SetReadDeadline(time.Now())
		} else {
			_ = c.Close()
		}
	}
}

func (w *wires) isDead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

func (w *wires) dialer(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if w.isDead() {
			return nil, errDead
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.dead {
			_ = conn.Close()
			return nil, errDead
		}
		w.conns = append(w.conns, conn)
		return &wired{Conn: conn, wires: w}, nil
	}
}

// wired is a connection of a process.
type wired struct {
	net.Conn
	wires *wires
}

func (c *wired) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.wires.isDead() {
		return 0, errDead
	}
	return n, err
}

func (c *wired) Write(b []byte) (int, error) {
	if c.wires.isDead() {
		return 0, errDead
	}
	return c.Conn.Write(b)
}

// SetReadDeadline, SetWriteDeadline and SetDeadline of a dead process do not wake up what has ended.
func (c *wired) SetReadDeadline(t time.Time) error {
	if c.wires.isDead() {
		return errDead
	}
	return c.Conn.SetReadDeadline(t)
}

// Close tells the servers, unless their client's machine is gone.
func (c *wired) Close() error {
	c.wires.mu.Lock()
	defer c.wires.mu.Unlock()
	if c.wires.dead && c.wires.silent {
		return nil
	}
	return c.Conn.Close()
}
