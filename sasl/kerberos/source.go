package kerberos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/docent-zk/docent/sasl"
)

// loginSource logs in with a password, or with a keytab, which it reads each time.
type loginSource struct {
	client   principal
	password *password
	keytab   string // path, "" with a password

	mu   sync.Mutex
	read fileMark
}

func (s *loginSource) news() bool {
	if s.keytab == "" {
		return false
	}
	now, err := markOf(s.keytab)
	s.mu.Lock()
	defer s.mu.Unlock()
	return err == nil && s.read != (fileMark{}) && now != s.read
}

func (s *loginSource) fetch(ctx context.Context, n *network, held *ticket) (fetched, error) {
	client, secret, err := s.secret(n.settings)
	if err != nil {
		return fetched{tgt: held}, err
	}
	tgt, err := n.login(ctx, client, secret)
	if err != nil {
		return fetched{tgt: held}, err
	}
	return fetched{owner: client, tgt: tgt}, nil
}

// secret returns who logs in, and the keys.
func (s *loginSource) secret(in *settings) (principal, keys, error) {
	client := s.client
	if client.name != "" && client.realm == "" {
		client.realm = in.realm
	}
	if client.name != "" && client.realm == "" {
		return client, nil, misconfigured("name it in Config.Principal, or set default_realm in krb5.conf", "the principal %s has no realm", client)
	}
	if s.keytab == "" {
		return client, s.password, nil
	}
	if mark, err := markOf(s.keytab); err == nil {
		s.mu.Lock()
		s.read = mark
		s.mu.Unlock()
	}
	owner, found, err := readKeytab(s.keytab, client)
	if err != nil {
		return client, nil, fail(sasl.ErrConfiguration, "export the principal's keys with kadmin's ktadd, and let this process read the file", err)
	}
	return owner, found, nil
}

// cacheSource reads a credential cache, and renews what it finds there.
type cacheSource struct {
	name  string // as KRB5CCNAME has it, "" for the user's
	owner principal

	mu   sync.Mutex
	path string
	read fileMark
}

func (s *cacheSource) news() bool {
	s.mu.Lock()
	path, read := s.path, s.read
	s.mu.Unlock()
	if path == "" {
		return false
	}
	now, err := markOf(path)
	return err == nil && now != read
}

func (s *cacheSource) fetch(ctx context.Context, n *network, held *ticket) (fetched, error) {
	c, err := s.load(n.settings)
	if err != nil {
		// kinit may be at work; and tickets outlive kdestroy.
		return fetched{tgt: held}, err
	}
	got := fetched{owner: c.owner}
	if held != nil && held.client == c.owner {
		got.tgt = held
	}
	for _, t := range c.tickets {
		switch realm := t.server.grants(); {
		case t.client != c.owner:
		case realm == "":
			got.services = append(got.services, t)
		case realm == c.owner.realm && t.server.realm == c.owner.realm && (got.tgt == nil || t.end.After(got.tgt.end)):
			got.tgt = t
		}
	}
	return s.renewed(ctx, n, got, held)
}

// renewed renews a ticket-granting ticket that has little time left, unless the cache has a newer one.
func (s *cacheSource) renewed(ctx context.Context, n *network, got fetched, held *ticket) (fetched, error) {
	const again = "run kinit again"
	switch {
	case got.tgt == nil:
		return got, fail(sasl.ErrExpired, again, errors.New("the credential cache has no ticket-granting ticket of "+got.owner.String()))
	case got.tgt != held && got.tgt.usable() || !got.tgt.due():
		return got, nil
	case got.tgt.canRenew():
		tgt, err := n.renew(ctx, got.tgt)
		if err != nil {
			return got, err
		}
		got.tgt = tgt
		return got, nil
	}
	return got, fail(sasl.ErrExpired, again, fmt.Errorf("the ticket-granting ticket of %s ends at %s and cannot be renewed",
		got.owner, got.tgt.end.Format("15:04:05 on 2006-01-02")))
}

// load reads the file of the cache.
func (s *cacheSource) load(in *settings) (*cache, error) {
	name := s.name
	if name == "" {
		name = defaultCache(in.cache)
	}
	path, err := cacheFile(name)
	if err != nil {
		return nil, fail(sasl.ErrConfiguration, "set KRB5CCNAME to FILE: and a path, for kinit as well", err)
	}
	mark, _ := markOf(path) // none for a file that is not there
	s.mu.Lock()
	s.path, s.read = path, mark
	s.mu.Unlock()
	c, err := readCache(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(sasl.ErrConfiguration, "run kinit, or set Config.CredentialCache to where it puts its tickets", err)
	case err != nil:
		return nil, fail(sasl.ErrConfiguration, "", err)
	}
	want := s.owner
	if want.name != "" && want.realm == "" {
		want.realm = c.owner.realm
	}
	if want.name != "" && want != c.owner {
		return nil, misconfigured("run kinit for the one in Config.Principal", "%s belongs to %s and not to %s", path, c.owner, want)
	}
	return c, nil
}
