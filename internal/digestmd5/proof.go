package digestmd5

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"strings"
)

// exchange is what both proofs are made from.
type exchange struct {
	user, realm, password string
	nonce, cnonce, uri    string
}

const (
	count = "00000001" // of uses of the nonce: each connection has a new one
	qop   = "auth"
)

// client is the proof that the client knows the password, server that the server does (RFC 2831, 2.1.2.1 and 2.1.3).
func (e exchange) client() string { return e.proof("AUTHENTICATE:" + e.uri) }
func (e exchange) server() string { return e.proof(":" + e.uri) }

func (e exchange) proof(a2 string) string {
	secret := md5.Sum([]byte(narrow(e.user) + ":" + narrow(e.realm) + ":" + narrow(e.password)))
	a1 := string(secret[:]) + ":" + e.nonce + ":" + e.cnonce
	return hash(strings.Join([]string{hash(a1), e.nonce, count, e.cnonce, qop, hash(a2)}, ":"))
}

func hash(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// narrow is s in ISO 8859-1 if it has no other characters, and in UTF-8 else (RFC 2831, 2.1.2.1, username-value).
func narrow(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			return s
		}
		b = append(b, byte(r))
	}
	return string(b)
}

// same compares proofs in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
