package zktest

import (
	"crypto/sha1" //nolint:gosec // the digest scheme is defined with SHA-1
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/docent-zk/docent/internal/jute"
)

// The permissions of an ACL entry.
const (
	permRead   int32 = 1
	permWrite  int32 = 2
	permCreate int32 = 4
	permDelete int32 = 8
	permAdmin  int32 = 16
	permAll    int32 = 31
)

// authID is an identity of a connection.
type authID struct {
	scheme, id string
}

// digestID returns the identity that a digest credential "user:password" gives.
func digestID(credential string) string {
	user, _, _ := strings.Cut(credential, ":")
	sum := sha1.Sum([]byte(credential)) //nolint:gosec // see the import
	return user + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

// permitted reports whether one of ids has perm in acl. An empty list permits everything, and so does the super user.
func permitted(acl []jute.ACL, perm int32, ids []authID) bool {
	if len(acl) == 0 || slices.ContainsFunc(ids, func(id authID) bool { return id.scheme == "super" }) {
		return true
	}
	for _, entry := range acl {
		if entry.Perms&perm == 0 {
			continue
		}
		if entry.Scheme == "world" && entry.ID == "anyone" {
			return true
		}
		for _, id := range ids {
			if id.scheme == entry.Scheme && idMatches(id, entry.ID) {
				return true
			}
		}
	}
	return false
}

func idMatches(id authID, pattern string) bool {
	if id.scheme != "ip" {
		return id.id == pattern
	}
	prefix, ok := ipPattern(pattern)
	addr, err := netip.ParseAddr(id.id)
	return ok && err == nil && prefix.Contains(addr)
}

// ipPattern parses "a.b.c.d" or "a.b.c.d/bits".
func ipPattern(pattern string) (netip.Prefix, bool) {
	host, bitText, limited := strings.Cut(pattern, "/")
	addr, ok := ipv4(host)
	if !ok {
		return netip.Prefix{}, false
	}
	bits := 32
	if limited {
		var err error
		if bits, err = strconv.Atoi(bitText); err != nil {
			return netip.Prefix{}, false
		}
	}
	prefix, err := addr.Prefix(bits)
	return prefix, err == nil
}

// ipv4 parses four decimal numbers with dots. Zeros in front mean nothing, as in Java's Integer.parseInt.
func ipv4(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) != 4 {
		return netip.Addr{}, false
	}
	var b [4]byte
	for i, part := range parts {
		v, err := strconv.Atoi(part)
		if err != nil || v < 0 || v > 255 {
			return netip.Addr{}, false
		}
		b[i] = byte(v)
	}
	return netip.AddrFrom4(b), true
}

// fixACL checks an ACL and brings it into the form in which it is stored: duplicates go, and "auth" stands for the
// identities that the connection has proved.
func (t *txn) fixACL(acl []jute.ACL) ([]jute.ACL, ErrCode) {
	var fixed []jute.ACL
	for _, entry := range dedupe(acl) {
		switch {
		case entry.NullID && slices.Contains([]string{"world", "digest", "ip"}, entry.Scheme):
			return nil, ErrMarshalling // where a server would look at the id
		case entry.Scheme == "world" && entry.ID == "anyone",
			entry.Scheme == "digest" && validDigestID(entry.ID),
			entry.Scheme == "ip" && validIP(entry.ID),
			entry.Scheme == x509Scheme && t.s.cfg.TLS != nil,
			entry.Scheme == saslScheme && t.s.cfg.takesSASL():
			fixed = append(fixed, entry)
		case entry.Scheme == "auth":
			proved := provedBy(t.ids, entry.Perms)
			if len(proved) == 0 {
				return nil, ErrInvalidACL
			}
			fixed = append(fixed, proved...)
		default:
			return nil, ErrInvalidACL
		}
	}
	if len(fixed) == 0 {
		return nil, ErrInvalidACL
	}
	return fixed, 0
}

func dedupe(acl []jute.ACL) []jute.ACL {
	var unique []jute.ACL
	for _, entry := range acl {
		if !slices.Contains(unique, entry) {
			unique = append(unique, entry)
		}
	}
	return unique
}

func provedBy(ids []authID, perms int32) []jute.ACL {
	var acl []jute.ACL
	for _, id := range ids {
		if id.scheme == "digest" || id.scheme == saslScheme || id.scheme == x509Scheme {
			acl = append(acl, jute.ACL{Perms: perms, Scheme: id.scheme, ID: id.id})
		}
	}
	return acl
}

// validDigestID wants two parts around a colon. Colons at the end do not count, as in Java's String.split.
func validDigestID(id string) bool {
	return strings.Count(strings.TrimRight(id, ":"), ":") == 1
}

func validIP(id string) bool {
	_, ok := ipPattern(id)
	return ok
}

// setACL replaces a node's ACL. Its mzxid does not change and no watch fires.
func (t *txn) setACL(r *jute.SetACLRequest) (*node, ErrCode) {
	if !validPath(r.Path) {
		return nil, ErrBadArguments
	}
	acl, err := t.fixACL(r.ACL)
	if err != 0 {
		return nil, err
	}
	n := t.s.tree.get(r.Path)
	switch {
	case n == nil:
		return nil, ErrNoNode
	case !t.allowed(n, permAdmin):
		return nil, ErrNoAuth
	case !matchesVersion(n.aversion, r.Version):
		return nil, ErrBadVersion
	}
	replace := func(n *node) {
		n.acl = acl
		n.aversion++
	}
	replace(n)
	t.replay(func(tr *tree) { replace(tr.get(r.Path)) })
	return n, 0
}

// serveSetACL answers setACL.
func (s *Server) serveSetACL(c *conn, r *request) {
	t := s.begin(c)
	var req jute.SetACLRequest
	req.Decode(r.body)
	if r.body.Err() != nil {
		s.fail(c, r, t.end(ErrMarshalling))
		return
	}
	n, err := t.setACL(&req)
	if t.end(err) != 0 {
		s.fail(c, r, err)
		return
	}
	s.reply(c, r, n.wireStat().Encode)
}

// serveGetACL answers getACL. Who may read the list but not change it sees digests blotted out.
func (s *Server) serveGetACL(c *conn, r *request) {
	var req jute.PathRequest
	req.Decode(r.body)
	n := c.rep().tree.get(req.Path)
	switch {
	case r.body.Err() != nil:
		s.fail(c, r, ErrMarshalling)
		return
	case n == nil:
		s.fail(c, r, ErrNoNode)
		return
	case !permitted(n.acl, permRead|permAdmin, c.ids):
		s.fail(c, r, ErrNoAuth)
		return
	}
	acl := n.acl
	if !permitted(acl, permAdmin, c.ids) {
		acl = blotted(acl)
	}
	s.reply(c, r, func(e *jute.Encoder) {
		e.ACLs(acl)
		n.wireStat().Encode(e)
	})
}

func blotted(acl []jute.ACL) []jute.ACL {
	shown := slices.Clone(acl)
	for i := range shown {
		if user, _, ok := strings.Cut(shown[i].ID, ":"); ok && shown[i].Scheme == "digest" {
			shown[i].ID = user + ":x"
		}
	}
	return shown
}

// serveAuth answers auth. Its reply carries zxid 0. Credentials that cannot be read end the connection without a reply,
// and those that cannot be used end it after one.
func (s *Server) serveAuth(c *conn, r *request) {
	var req jute.AuthRequest
	req.Decode(r.body)
	if r.body.Err() != nil {
		s.hangUp(c)
		return
	}
	r.zxid = 0
	switch {
	case req.Scheme == "digest" && req.Auth != nil:
		s.addDigest(c, string(req.Auth))
	case req.Scheme == "ip":
		c.addID(authID{"ip", hostOf(c.addr)})
	default:
		s.fail(c, r, ErrAuthFailed)
		s.hangUp(c)
		return
	}
	s.finish(c, r, 0)
}

func (s *Server) addDigest(c *conn, credential string) {
	id := digestID(credential)
	if id == s.cfg.SuperDigest {
		c.addID(authID{scheme: "super"})
	}
	c.addID(authID{"digest", id})
}

// serveWhoAmI answers whoAmI: the user of each identity, without its proof.
func (s *Server) serveWhoAmI(c *conn, r *request) {
	s.reply(c, r, func(e *jute.Encoder) {
		e.Int32(int32(len(c.ids)))
		for _, id := range c.ids {
			user := id.id
			if id.scheme == "digest" {
				user, _, _ = strings.Cut(user, ":")
			}
			e.String(id.scheme)
			e.String(user)
		}
	})
}
