package sessionfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
	"time"
)

const (
	// size is the length of the file in bytes: one sector of a disk.
	size = 512
	// magic begins each record.
	magic = "docent-session/"
	// version is the version of the format.
	version = "1"
)

// stored is a record as it is written, in a line after magic, version and checksum. The rest of the file is zero bytes.
type stored struct {
	Session  string `json:"session"` // as servers log it
	Password []byte `json:"password"`
	Timeout  string `json:"timeout"`
	Machine  string `json:"machine"`
	File     string `json:"file"`
}

func checksum(text []byte) uint32 { return crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)) }

// encode returns the contents of the file.
func encode(r Record, m mark) ([]byte, error) {
	text, err := json.Marshal(stored{
		Session: "0x" + strconv.FormatUint(uint64(r.ID), 16), Password: r.Password, Timeout: r.Timeout.String(), Machine: m.machine, File: m.file,
	})
	if err != nil {
		return nil, err
	}
	line := fmt.Appendf(make([]byte, 0, size), "%s%s %08x %s\n", magic, version, checksum(text), text)
	if len(line) > size {
		return nil, fmt.Errorf("the session's password has %d bytes, which are too many", len(r.Password))
	}
	return append(line, make([]byte, size-len(line))...), nil
}

// decode decodes the contents of the file.
func decode(content []byte, m mark) (Record, error) {
	if blank(content) {
		return Record{}, ErrEmpty
	}
	line, _, whole := bytes.Cut(content, []byte("\n"))
	fields := bytes.SplitN(line, []byte(" "), 3)
	if !whole || len(fields) != 3 || string(fields[0]) != magic+version {
		return Record{}, ErrDamaged
	}
	var s stored
	sum, err := strconv.ParseUint(string(fields[1]), 16, 32)
	if err != nil || uint32(sum) != checksum(fields[2]) || json.Unmarshal(fields[2], &s) != nil {
		return Record{}, ErrDamaged
	}
	id, err := strconv.ParseUint(s.Session, 0, 64)
	timeout, wrong := time.ParseDuration(s.Timeout)
	switch {
	case err != nil || wrong != nil || id == 0 || timeout <= 0:
		return Record{}, ErrDamaged
	case s.Machine != m.machine || s.File != m.file:
		return Record{}, ErrElsewhere
	}
	return Record{ID: int64(id), Password: s.Password, Timeout: timeout}, nil
}

// ours reports whether a file may be overwritten: it is empty, or begins like a record, complete or not.
func ours(content []byte) bool {
	if len(content) > size {
		return false
	}
	return blank(content) || bytes.HasPrefix(content, []byte(magic)) || bytes.HasPrefix([]byte(magic), bytes.TrimRight(content, "\x00"))
}

// blank reports whether a file is empty, or only has the zero bytes that a crash can leave.
func blank(content []byte) bool { return len(bytes.Trim(content, "\x00")) == 0 }
