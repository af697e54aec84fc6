//go:build linux

package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/docent-zk/docent/internal/test/histories"
)

// Op says what a record tells.
type Op string

// The kinds of records.
const (
	Granted   Op = "granted"   // something is held: From is the call, To was read after it had returned and before a positive look
	Ended     Op = "ended"     // its holder stops: From is the latest time before a positive look, To the end of the work after that
	Released  Op = "released"  // Unlock has returned nil
	Wrote     Op = "wrote"     // a guarded write was applied, refused, or has an unknown outcome
	Added     Op = "added"     // one was added to a counter
	Entered   Op = "entered"   // a double barrier was entered; From is the call
	Left      Op = "left"      // Leave has returned nil
	Attempted Op = "attempted" // Enter is about to be called
	Waited    Op = "waited"    // a gate let somebody through
	Closed    Op = "closed"    // a gate was closed from From to To at least
	Done      Op = "done"      // a recipe did what it is for; counted, and the end of a recovery
	Failed    Op = "failed"    // it did not
	Stalled   Op = "stalled"   // the process did not run from From to To
	Kept      Op = "kept"      // at rest: a node stands, with number Value and session Token
	Violated  Op = "violated"  // the worker itself has seen what must not be
)

// Answers to a write.
const (
	Applied = ""
	Refused = "refused" // because the claim was over
	Unsent  = "unsent"  // certainly not applied, for another reason
	Unknown = "unknown"
)

// Record is one thing that a worker saw.
type Record struct {
	Op      Op
	Role    string `json:",omitempty"`
	Object  string `json:",omitempty"` // path of what it was done to
	Worker  int
	Life    int   `json:",omitempty"` // counts the processes of a worker
	Actor   int   `json:",omitempty"` // counts its goroutines
	From    Nanos `json:",omitempty"`
	To      Nanos `json:",omitempty"`
	Token   int64 `json:",omitempty"`
	Value   int64 `json:",omitempty"`
	Version int32 `json:",omitempty"`
	Zxid    int64 `json:",omitempty"`
	Weight  int   `json:",omitempty"` // permits, or 0
	Shared  bool  `json:",omitempty"` // a read lock
	Holds   bool  `json:",omitempty"` // kept through SUSPENDED
	Result  string
}

// Journal writes records to a file, each with one system call, so that a process that is killed leaves what it has written.
type Journal struct {
	mu     sync.Mutex
	file   io.WriteCloser
	worker int
	life   int
}

// OpenJournal creates the file.
func OpenJournal(path string, worker, life int) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &Journal{file: f, worker: worker, life: life}, nil
}

// Put writes a record. A disk that is full ends the process, because a run without records proves nothing.
func (j *Journal) Put(r Record) {
	r.Worker, r.Life = j.worker, j.life
	line, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

// Close closes the file.
func (j *Journal) Close() error { return j.file.Close() }

// ReadJournal reads a file. A last line that is not complete is that of a process that was killed.
func ReadJournal(path string) ([]Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var list []Record
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		var r Record
		if err := json.Unmarshal(bytes.TrimSpace(line), &r); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
}

// watchStalls notes when the process did not run, until stop is called.
func (j *Journal) watchStalls() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for last := Now(); ctx.Err() == nil; {
			histories.Wait(ctx, 20*time.Millisecond)
			now := Now()
			if now.Sub(last) > stallBound {
				j.Put(Record{Op: Stalled, From: last, To: now})
			}
			last = now
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// stallBound is the shortest pause of a process that is noted.
const stallBound = 200 * time.Millisecond
