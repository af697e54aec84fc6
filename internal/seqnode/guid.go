package seqnode

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

const (
	// protection starts the names of protected nodes, in Curator and
	// go-zookeeper alike.
	protection = "_c_"
	// uuidLen is the length of a UUID with dashes: Curator, docent.
	uuidLen = 36
	// hexLen is the length of a UUID without dashes: go-zookeeper.
	hexLen = 32
)

// Protected returns the name of a node that can be found again by guid:
// "_c_", guid, "-", name.
func Protected(guid, name string) string { return protection + guid + "-" + name }

// HasGUID reports whether name is the name of a node protected by guid, a whole
// GUID of any form. It is false for an empty guid.
func HasGUID(name, guid string) bool {
	rest, ok := strings.CutPrefix(name, protection)
	if !ok || guid == "" {
		return false
	}
	rest, ok = strings.CutPrefix(rest, guid)
	return ok && strings.HasPrefix(rest, "-")
}

// GUIDOf returns the GUID of a protected name: a UUID with dashes as Curator
// and docent write it, or 32 hexadecimal digits as go-zookeeper does. It
// returns "" and false for every other name, whatever that looks like.
func GUIDOf(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, protection)
	if !ok {
		return "", false
	}
	for _, n := range [...]int{uuidLen, hexLen} {
		if len(rest) > n && rest[n] == '-' && isGUID(rest[:n]) {
			return rest[:n], true
		}
	}
	return "", false
}

// IsKazooLease reports whether name is that of a lease of kazoo's Semaphore: 32 hexadecimal digits and nothing else.
func IsKazooLease(name string) bool { return len(name) == hexLen && isGUID(name) }

// IsGUID reports whether name is a GUID and nothing else: a UUID with dashes, or 32 hexadecimal digits.
func IsGUID(name string) bool { return (len(name) == hexLen || len(name) == uuidLen) && isGUID(name) }

// isGUID checks the form of a UUID, with its dashes if it is long enough.
func isGUID(s string) bool {
	for i, c := range []byte(s) {
		dash := len(s) == uuidLen && (i == 8 || i == 13 || i == 18 || i == 23)
		if dash != (c == '-') || !dash && !isHex(c) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// NewGUID returns a new random UUID (version 4) in its text form of 36
// characters, from crypto/rand.
func NewGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return formatUUID(b)
}

// ReadGUID is NewGUID with the randomness of r, for simulations that must
// replay. The error is that of a source that ends before 16 bytes.
func ReadGUID(r io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return "", fmt.Errorf("read 16 random bytes for a GUID: %w", err)
	}
	return formatUUID(b), nil
}

// formatUUID sets version and variant (RFC 9562, section 5.4) and adds dashes.
func formatUUID(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	var text [uuidLen]byte
	at := 0
	for i, part := range [...][]byte{b[:4], b[4:6], b[6:8], b[8:10], b[10:]} {
		if i > 0 {
			text[at] = '-'
			at++
		}
		at += hex.Encode(text[at:], part)
	}
	return string(text[:])
}
