package seqnode

import (
	"fmt"
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

// Parse takes the name of a child apart. A name counts as a node of a queue only if it ends with a sequence number as
// servers write it, directly behind the marker of a known kind. A marker that ends in a dash must also be a word of its
// own: "lock-" is one in "lock-0000000001" and in "_c_<GUID>-lock-0000000001", but not in "block-0000000001".
// Every other name is Foreign and has no sequence number.
func Parse(name string) Name {
	n := Name{Full: name}
	n.GUID, _ = GUIDOf(name)
	n.Kind, n.Seq = cutNumber(name)
	return n
}

// cutNumber finds the marker and the number that name ends with.
func cutNumber(name string) (kind Kind, seq int32) {
	for _, width := range [...]int{seqWidth, seqWidth + 1} {
		at := len(name) - width
		if at < 0 {
			break
		}
		for k := Foreign + 1; k < kinds; k++ {
			if !k.endsWith(name[:at]) {
				continue
			}
			if seq, ok := ParseSeq(name[at:]); ok {
				return k, seq
			}
		}
	}
	return Foreign, 0
}

// endsWith reports whether text ends with the kind's marker, as a word of its own.
func (k Kind) endsWith(text string) bool {
	before, ok := strings.CutSuffix(text, markers[k])
	if !ok || markers[k][0] == '_' { // kazoo accepts any text in front of its markers, and no word contains them
		return ok
	}
	return before == "" || before[len(before)-1] == '-'
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
