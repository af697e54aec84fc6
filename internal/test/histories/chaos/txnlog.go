//go:build linux

package chaos

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Set is a transaction that set a node's data, as a server has logged it.
type Set struct {
	Path    string
	Data    string
	Version int32 // that the node has since
	Zxid    int64
}

const (
	logMagic = 0x5a4b4c47 // "ZKLG"

	txnSetData = 5
	txnMulti   = 14
	txnError   = -1

	// maxTxn is more than any transaction has.
	maxTxn = 64 << 20
)

var errLog = errors.New("not a transaction log")

// ReadLogs reads all transaction logs of a server and calls visit for each set. What was logged and never committed is among them.
func ReadLogs(dataDir string, visit func(Set)) error {
	return eachTxn(dataDir, func(txn []byte) error { return sets(txn, visit) })
}

// Mentions lists the transactions in the logs of a server that contain a text, one in a line.
func Mentions(dataDir, text string) (lines []string, err error) {
	err = eachTxn(dataDir, func(txn []byte) error {
		if bytes.Contains(txn, []byte(text)) {
			f := &fields{rest: txn}
			lines = append(lines, fmt.Sprintf("session %#x, request %d, zxid %#x, time %d, type %d", f.long(), f.int(), f.long(), f.long(), f.int()))
		}
		return nil
	})
	return lines, err
}

// eachTxn calls visit for each transaction in the logs.
func eachTxn(dataDir string, visit func(txn []byte) error) error {
	files, err := filepath.Glob(filepath.Join(dataDir, "version-2", "log.*"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := readLog(file, visit); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func readLog(file string, visit func(txn []byte) error) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<16)
	var head [16]byte // magic, version, id of the database
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil // a server that was killed has just begun it
	}
	if binary.BigEndian.Uint32(head[:]) != logMagic {
		return errLog
	}
	for {
		txn, err := nextTxn(in)
		if err != nil || txn == nil {
			return err
		}
		if err := visit(txn); err != nil {
			return err
		}
	}
}

// nextTxn returns nil at the end, where there are zeros, or a transaction that is not complete.
func nextTxn(in io.Reader) ([]byte, error) {
	var head [12]byte // checksum, length
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, nil
	}
	size := binary.BigEndian.Uint32(head[8:])
	if size > maxTxn {
		return nil, errLog
	}
	txn := make([]byte, size+1) // and a byte that ends it
	if _, err := io.ReadFull(in, txn); err != nil || size == 0 {
		return nil, nil
	}
	if txn[size] != 'B' {
		return nil, nil
	}
	return txn[:size], nil
}

// fields reads the fields of a record. The first one that is not there makes all later ones zero.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.rest) {
		f.bad = true
		return make([]byte, 8)
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) int() int32  { return int32(binary.BigEndian.Uint32(f.take(4))) }
func (f *fields) long() int64 { return int64(binary.BigEndian.Uint64(f.take(8))) }

// buffer is empty for one of length -1, which is null.
func (f *fields) buffer() []byte {
	n := f.int()
	if n == -1 || f.bad {
		return nil
	}
	return f.take(int(n))
}

func sets(txn []byte, visit func(Set)) error {
	f := &fields{rest: txn}
	f.long() // session
	f.int()  // its number of the request
	zxid := f.long()
	f.long() // time
	switch kind := f.int(); kind {
	case txnSetData:
		setOf(f, zxid, visit)
	case txnMulti:
		multi(f, zxid, visit)
	}
	if f.bad {
		return errLog
	}
	return nil
}

// multi visits the sets of a multi, unless it has failed: then some of its parts are errors, and none was applied.
func multi(f *fields, zxid int64, visit func(Set)) {
	var list []Set
	failed := false
	for range f.int() {
		kind, part := f.int(), &fields{rest: f.buffer()}
		switch {
		case f.bad:
			return
		case kind == txnError:
			failed = true
		case kind == txnSetData:
			setOf(part, zxid, func(s Set) { list = append(list, s) })
			f.bad = part.bad
		}
	}
	for _, s := range list {
		if !failed {
			visit(s)
		}
	}
}

func setOf(f *fields, zxid int64, visit func(Set)) {
	s := Set{Path: string(f.buffer()), Data: string(f.buffer()), Version: f.int(), Zxid: zxid}
	if !f.bad {
		visit(s)
	}
}
