package wire

import "encoding/binary"

// Layouts of reply bodies, one letter per field:
//
//	i  int                     S  Stat
//	b  buffer, may be null     v  vector of strings
//	s  string                  a  vector of ACLs
//	m  results of a multi      ?  the reply may end here
//
// More bytes may follow: servers append fields, and the driver ignores them.
const layoutEvent = "iis"

var layouts = [...]string{
	opCreate:       "s",
	opExists:       "S",
	opGetData:      "bS",
	opSetData:      "S",
	opGetACL:       "aS",
	opSetACL:       "S",
	opGetChildren:  "v",
	opSync:         "s",
	opGetChildren2: "vS",
	opMulti:        "m",
	opCreate2:      "s?S",
	opReconfig:     "bS",
	opContainer:    "s?S",
	opTTL:          "s?S",
}

// replyLayout returns the layout of a successful reply. Replies to opcodes that
// are not listed have no body that anybody would read.
func replyLayout(op int32) string {
	if op < 0 || int(op) >= len(layouts) {
		return ""
	}
	return layouts[op]
}

// conforms reports whether body has the given layout, so that go-zookeeper can
// decode it without a panic and without allocating what is only claimed.
//
// Null strings and null vectors are legal on the wire, but the driver takes
// their length of -1 for 4 GiB. They are turned into empty ones in place, which
// is what the driver can represent.
func conforms(layout string, body []byte) bool {
	w := walker{rest: body}
	for i := range len(layout) {
		switch layout[i] {
		case '?':
			if len(w.rest) == 0 {
				return !w.bad
			}
		case 'i':
			w.skip(4)
		case 'S':
			w.skip(statLen)
		case 'b':
			w.buffer()
		case 's':
			w.text()
		case 'v':
			w.texts()
		case 'a':
			w.acls()
		case 'm':
			w.results()
		}
	}
	return !w.bad
}

// walker steps over fields. Once bad, it stays bad and at the end.
type walker struct {
	rest []byte
	bad  bool
}

// skip steps over n bytes and returns them, nil if there are not so many.
func (w *walker) skip(n int) []byte {
	if n < 0 || n > len(w.rest) {
		w.bad, w.rest = true, nil
		return nil
	}
	b := w.rest[:n:n]
	w.rest = w.rest[n:]
	return b
}

// length steps over a length or count and returns it, -1 for null.
func (w *walker) length() int {
	b := w.skip(4)
	if b == nil {
		return 0
	}
	n := int(int32At(b, 0))
	if n < -1 {
		w.skip(-1)
		return 0
	}
	return n
}

// known is length with null turned into 0.
func (w *walker) known() int {
	at := w.rest
	n := w.length()
	if n == -1 {
		binary.BigEndian.PutUint32(at, 0)
		return 0
	}
	return n
}

func (w *walker) buffer() { w.skip(max(0, w.length())) }

func (w *walker) text() []byte { return w.skip(w.known()) }

func (w *walker) texts() {
	for range w.count(4) {
		w.text()
	}
}

func (w *walker) acls() {
	for range w.count(12) {
		w.skip(4)
		w.text()
		w.text()
	}
}

// count returns the number of items of a vector, each of at least size bytes.
func (w *walker) count(size int) int {
	n := w.known()
	if n > len(w.rest)/size {
		w.skip(-1)
		return 0
	}
	return n
}

// results steps over the results of a multi up to the end marker. A type that
// the driver does not know makes the reply bad, although the driver would only
// return an error: that error reads as "failed" while the multi was applied.
func (w *walker) results() {
	for !w.bad {
		header := w.skip(9) // type, done, error
		if header == nil || header[4] != 0 {
			return
		}
		switch int32At(header, 0) {
		case opError:
			w.skip(4)
		case opCreate:
			w.text()
		case opSetData:
			w.skip(statLen)
		case opDelete, opCheck:
		default:
			w.skip(-1)
		}
	}
}
