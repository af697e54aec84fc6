package framework

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// maxLogLines is how many log lines are queued for a slow handler. Debug lines may use half of that, so that they do
// not displace others.
const maxLogLines = 1024

// logLane passes log lines to the user's handler in order, from a goroutine that exists while there are lines. A
// handler may block, as one does that writes to a full pipe, and the callers must not. Lines that do not fit are
// dropped, and a line in their place says how many.
type logLane struct {
	panicked func() // called when the handler panics

	mu      sync.Mutex
	lines   []logLine
	dropped int // since the last accepted line
	to      slog.Handler
	closed  bool
	busy    chan struct{} // closed when the goroutine ends; nil while there is none
}

type logLine struct {
	to     slog.Handler
	record slog.Record
}

// laneHandler is a lane's slog.Handler.
type laneHandler struct {
	lane *logLane
	to   slog.Handler
}

// newLogLane returns a lane to the handler of to, and a logger that writes to it. A handler that discards everything is
// used directly.
func newLogLane(to *slog.Logger, panicked func()) (*logLane, *slog.Logger) {
	lane := &logLane{panicked: panicked, to: to.Handler()}
	if lane.to == slog.DiscardHandler {
		return lane, to
	}
	return lane, slog.New(laneHandler{lane, lane.to})
}

// Enabled does not ask the user's handler, which may block. The lane's goroutine asks it.
func (h laneHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h laneHandler) Handle(_ context.Context, r slog.Record) error {
	h.lane.add(logLine{h.to, r.Clone()})
	return nil
}

func (h laneHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return laneHandler{h.lane, h.to.WithAttrs(attrs)}
}

func (h laneHandler) WithGroup(name string) slog.Handler {
	return laneHandler{h.lane, h.to.WithGroup(name)}
}

// add appends a line if there is room.
func (l *logLane) add(line logLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit := maxLogLines
	if line.record.Level < slog.LevelInfo {
		limit /= 2
	}
	if l.closed || len(l.lines) >= limit {
		l.dropped++
		return
	}
	l.admitDropped()
	l.lines = append(l.lines, line)
	if l.busy == nil {
		l.busy = make(chan struct{})
		go l.drain(l.busy)
	}
}

// admitDropped adds a line that counts the dropped ones. The mutex is held.
func (l *logLane) admitDropped() {
	if l.dropped == 0 || l.closed {
		return
	}
	note := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines were dropped: the log handler did not keep up", 0)
	note.AddAttrs(slog.Int("lines", l.dropped))
	l.lines, l.dropped = append(l.lines, logLine{l.to, note}), 0
}

// drain passes lines on until there are none.
func (l *logLane) drain(done chan struct{}) {
	defer close(done)
	for {
		line, ok := l.next()
		if !ok {
			return
		}
		l.write(line)
	}
}

// next takes the first line. If there is none, the goroutine must end.
func (l *logLane) next() (line logLine, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		l.admitDropped()
	}
	if len(l.lines) == 0 {
		l.lines, l.busy = nil, nil
		return logLine{}, false
	}
	line = l.lines[0]
	l.lines[0] = logLine{}
	l.lines = l.lines[1:]
	return line, true
}

// write calls the user's handler, which may panic.
func (l *logLane) write(line logLine) {
	defer func() {
		if recover() != nil {
			l.panicked()
		}
	}()
	if ctx := context.Background(); line.to.Enabled(ctx, line.record.Level) {
		_ = line.to.Handle(ctx, line.record)
	}
}

// close rejects further lines, and waits for the queued ones for at most patience. Then it drops the rest, and the
// goroutine ends when the handler returns.
func (l *logLane) close(patience time.Duration) {
	l.mu.Lock()
	l.admitDropped()
	l.closed = true
	busy := l.busy
	l.mu.Unlock()
	if busy == nil {
		return
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-busy:
	case <-late.C:
		l.mu.Lock()
		l.lines = nil
		l.mu.Unlock()
	}
}
