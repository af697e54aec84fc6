package realzk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"
)

const (
	configFile  = "zoo.cfg"
	logbackFile = "logback.xml"
	logFile     = "server.log"
	dataDir     = "data"

	logback = `<configuration>
  <appender name="console" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss.SSS} [%t] %p %c - %m%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="console"/></root>
</configuration>
`
	// startLimit bounds a start, on a machine that is busy with other things.
	startLimit = 3 * time.Minute
	// pollInterval is the time between two looks at a server.
	pollInterval = 10 * time.Millisecond
	// logTail is how much of its log an error about a server shows, in bytes.
	logTail = 4 << 10
)

var (
	// ErrNotRunning is the error of what needs a running process: call Start first.
	ErrNotRunning = errors.New("the server is not running")
	// ErrNotServing is the error of Mode while a server runs but serves no
	// client: it starts, or it has no quorum.
	ErrNotServing = errors.New("the server is not serving")
)

// Server is one ZooKeeper server: a port and a data directory that stay, and a
// process that comes and goes. Its methods can be called from any goroutine.
type Server struct {
	name    string // for messages
	from    installation
	options Options
	client  *port
	secure  *port // nil without
	dir     *scratch
	once    sync.Once // for close

	mu      sync.Mutex
	current *process // the last one started, nil before the first
}

// Standalone starts a single server, waits until it serves, and stops it at the
// end of the test. It skips or fails the test if there is no ZooKeeper here.
func Standalone(tb TB, opts Options) *Server {
	tb.Helper()
	server, err := startStandalone(machine.require(tb), opts, reserve)
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(func() { tidy(tb, server) })
	return server
}

// tidy ends servers with their test and shows the logs if it has failed.
func tidy(tb TB, servers ...*Server) {
	tb.Helper()
	for _, s := range servers {
		if tb.Failed() {
			tb.Logf("end of the log of %s:\n%s", s.name, s.LogTail())
		}
		if err := s.close(); err != nil {
			tb.Logf("%v", err)
		}
	}
}

func startStandalone(from installation, opts Options, reserve reserver) (*Server, error) {
	return onFreePorts(func() (*Server, error) {
		server, err := newStandalone(from, opts, reserve)
		if err != nil {
			return nil, err
		}
		return server, server.startAndWait()
	})
}

// newStandalone lays out the files of a single server, and reserves its ports.
func newStandalone(from installation, opts Options, reserve reserver) (*Server, error) {
	n := 1
	if opts.Secure {
		n = 2
	}
	ports, err := reserve(n)
	if err != nil {
		return nil, err
	}
	var lines []string
	if opts.Secure {
		lines = []string{fmt.Sprintf("secureClientPort=%d", ports[1].number), "secureClientPortAddress=" + loopback}
	}
	server, err := newServer("the server", from, opts, ports[0], lines)
	if err != nil {
		releaseAll(ports)
		return nil, err
	}
	if opts.Secure {
		server.secure = ports[1]
	}
	return server, nil
}

// newServer lays out the files of a server that is not started yet. The server
// owns its port from then on.
func newServer(name string, from installation, opts Options, client *port, peers []string) (*Server, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	dir, err := newScratch(opts.places()...)
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		os.Mkdir(dir.file(dataDir), 0o700),
		dir.write(logbackFile, logback),
		dir.write(configFile, opts.config(dir.file(dataDir), client.number, peers)))
	if err != nil {
		return nil, errors.Join(err, dir.remove())
	}
	name = fmt.Sprintf("%s on %s", name, client.addr())
	return &Server{name: name, from: from, options: opts, client: client, dir: dir}, nil
}

// Addr returns the address for clients, host:port. It never changes.
func (s *Server) Addr() string { return s.client.addr() }

// SecureAddr returns the address for clients with TLS, if Options.Secure asks for it. It never changes.
func (s *Server) SecureAddr() string { return s.secure.addr() }

// DataDir returns the directory in which the server keeps its snapshots and transaction logs. It is gone when the test ends.
func (s *Server) DataDir() string { return s.dir.file(dataDir) }

// Start starts the process again after Stop or Kill, on the data that is there.
// It does not wait until the server serves; a member of an ensemble cannot do so
// alone.
func (s *Server) Start() error {
	log, err := os.OpenFile(s.dir.file(logFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return s.errorf("its log: %w", err)
	}
	defer log.Close() // the process has its own descriptor
	cmd := exec.Command(s.from.java, s.options.javaArgs(s.from.classpath, s.dir.path)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir.path, log, log
	p := newProcess(cmd)
	if !s.replace(p) {
		return s.errorf("it is running already")
	}
	return p.start()
}

// replace makes p the server's process unless another one is running.
func (s *Server) replace(p *process) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && s.current.running() {
		return false
	}
	s.current = p
	return true
}

// Stop ends the process in an orderly way (SIGTERM) and waits for its end.
func (s *Server) Stop() error { return s.withProcess((*process).terminate) }

// Kill ends the process at once (SIGKILL) and waits for its end.
func (s *Server) Kill() error { return s.withProcess((*process).kill) }

// Pause freezes the process (SIGSTOP): connections stay open and nothing is
// answered. It returns when every thread stands still.
func (s *Server) Pause() error { return s.withProcess((*process).pause) }

// Resume lets a paused process go on (SIGCONT).
func (s *Server) Resume() error { return s.withProcess((*process).resume) }

// Running reports whether there is a process, paused or not.
func (s *Server) Running() bool { return s.process() != nil }

// WaitReady waits until the server serves clients. It fails when ctx ends or the
// process does, with the end of the server's log in the error.
func (s *Server) WaitReady(ctx context.Context) error {
	p := s.latest()
	if p == nil {
		return s.errorf("%w", ErrNotRunning)
	}
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		_, err := s.probe(ctx)
		if err == nil && p.running() { // else it was somebody else who answered
			return nil
		}
		select {
		case <-p.exited:
			return s.explainExit(p)
		case <-ctx.Done():
			return s.errorf("not ready: %w; last answer: %w; its log ends:\n%s", context.Cause(ctx), err, s.LogTail())
		case <-poll.C:
		}
	}
}

// LogTail returns the last lines that the server has logged.
func (s *Server) LogTail() string {
	log, err := os.ReadFile(s.dir.file(logFile))
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	if len(log) <= logTail {
		return string(log)
	}
	_, lines, _ := bytes.Cut(log[len(log)-logTail:], []byte("\n"))
	return string(lines)
}

func (s *Server) startAndWait() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	if err := s.Start(); err != nil {
		return errors.Join(err, s.close())
	}
	if err := s.WaitReady(ctx); err != nil {
		return errors.Join(err, s.close())
	}
	return nil
}

// explainExit is the error for a process that does not serve because it has
// ended. It may have done so between Start and WaitReady.
func (s *Server) explainExit(p *process) error {
	log, _ := os.ReadFile(s.dir.file(logFile))
	reason := ErrNotRunning
	if bytes.Contains(log, []byte("Address already in use")) {
		reason = errPortTaken
	}
	return s.errorf("%w: it has ended (%v); its log ends:\n%s", reason, p.result, s.LogTail())
}

// close ends the process and removes what the server has on the machine.
func (s *Server) close() (err error) {
	s.once.Do(func() {
		if s.Running() {
			err = s.Kill()
		}
		err = errors.Join(err, s.dir.remove())
		s.client.release()
		if s.secure != nil {
			s.secure.release()
		}
	})
	return err
}

// process returns the running process or nil.
func (s *Server) process() *process {
	if p := s.latest(); p != nil && p.running() {
		return p
	}
	return nil
}

// latest returns the process that was started last, or nil before the first.
func (s *Server) latest() *process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}

func (s *Server) withProcess(do func(*process) error) error {
	p := s.process()
	if p == nil {
		return s.errorf("%w", ErrNotRunning)
	}
	if err := do(p); err != nil {
		return s.errorf("%w", err)
	}
	return nil
}

func (s *Server) errorf(format string, args ...any) error {
	return fmt.Errorf("realzk: "+s.name+": "+format, args...)
}
