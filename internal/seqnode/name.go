package seqnode

import (
	"fmt"
	"strconv"
	"strings"
)

// Name is the parsed name of one child.
type Name struct {
	// Full is the name as the server lists it, without the parent's path.
	Full string
	// GUID is the GUID of a protected name, as GUIDOf returns it, or "".
	GUID string
	// Kind is what the marker in front of the sequence number says.
	Kind Kind
	// Seq is the sequence number. A Foreign name has none.
	Seq int32
}

// UnorderableError refuses a name that carries a marker, and so claims a place
// in a queue, but no number to tell which.
type UnorderableError struct {
	// Name is the child's name.
	Name string
	// Kind is the kind that the marker claims.
	Kind Kind
}

// Error names the child and what is wrong with it.
func (e *UnorderableError) Error() string {
	return fmt.Sprintf("child %s cannot be ordered: %q is not followed by a sequence number; remove the node",
		quote(e.Name), e.Kind.Marker())
}

// quote shows a name that may be as long as whoever forged it liked.
func quote(name string) string {
	const most = 120
	if len(name) <= most {
		return strconv.Quote(name)
	}
	return strconv.Quote(name[:most]) + "..."
}

// Parse takes the name of a child apart. If it contains several markers, the
// one nearest to its end counts.
//
// The error is an *UnorderableError if a marker is present and what follows it
// is not a sequence number; the Name is complete but for Seq. A name without a
// marker is no error: its Kind is Foreign.
func Parse(name string) (Name, error) {
	n := Name{Full: name}
	n.GUID, _ = GUIDOf(name)
	var ok bool
	if n.Kind, n.Seq, ok = cutNumber(name); ok {
		return n, nil
	}
	if n.Kind = lastMarker(name); n.Kind != Foreign {
		return n, &UnorderableError{Name: name, Kind: n.Kind}
	}
	return n, nil
}

// cutNumber finds the marker and the number that name ends with.
func cutNumber(name string) (kind Kind, seq int32, ok bool) {
	for _, width := range [...]int{seqWidth, seqWidth + 1} {
		at := len(name) - width
		if at < 0 {
			break
		}
		for k := Foreign + 1; k < kinds; k++ {
			if !strings.HasSuffix(name[:at], markers[k]) {
				continue
			}
			if seq, ok = ParseSeq(name[at:]); ok {
				return k, seq, true
			}
		}
	}
	return Foreign, 0, false
}

// lastMarker returns the kind of the marker nearest to the end of name.
func lastMarker(name string) Kind {
	kind, end := Foreign, 0
	for k := Foreign + 1; k < kinds; k++ {
		m := markers[k]
		if i := strings.LastIndex(name, m); i >= 0 && i+len(m) > end {
			kind, end = k, i+len(m)
		}
	}
	return kind
}

// seqWidth is the width that the server pads a sequence number to, sign
// included. Only numbers from -1000000000 down are wider, by one.
const seqWidth = 10

// ParseSeq parses the text that the server appends to a sequential name. It
// returns false for everything but the exact text of FormatSeq.
func ParseSeq(s string) (int32, bool) {
	digits, negative := strings.CutPrefix(s, "-")
	if len(digits) != seqWidth && len(s) != seqWidth {
		return 0, false
	}
	var v int64
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	if negative {
		v = -v
	}
	// Padding counts the sign: a negative number has ten digits only if it
	// needs them, and there is no negative zero.
	padded := negative && (v == 0 || len(s) > seqWidth && v > -1_000_000_000)
	if padded || int64(int32(v)) != v {
		return 0, false
	}
	return int32(v), true
}

// FormatSeq returns the text that the server appends for seq.
func FormatSeq(seq int32) string { return fmt.Sprintf("%0*d", seqWidth, seq) }
