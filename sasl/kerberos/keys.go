package kerberos

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/types"
)

// maxIterations bounds the work that a KDC, or an impostor of one, can demand for a key. RFC 8009 has 32,768 iterations.
const maxIterations = 1 << 20

// keys are the long-term keys of the client.
type keys interface {
	// types are those of a list of encryption types that there is a key for.
	types(of []int32) []int32
	// key returns the key for a hint of the KDC: the one with version kvno if there is one, otherwise the newest.
	key(hint hint, kvno int) (key types.EncryptionKey, version int, err error)
}

// hint says how the KDC expects a key to be made from a password.
type hint struct {
	etype   int32
	salt    string
	options []byte // the number of iterations, nil for the default
}

// password makes keys, which takes some work, and remembers the last one.
type password struct {
	secret string

	mu   sync.Mutex
	hint string
	last types.EncryptionKey
}

func (p *password) types(of []int32) []int32 { return of }

func (p *password) key(h hint, _ int) (types.EncryptionKey, int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := fmt.Sprintf("%d %q %x", h.etype, h.salt, h.options)
	if p.hint == id {
		return p.last, 0, nil
	}
	key, err := p.make(h)
	if err == nil {
		p.hint, p.last = id, key
	}
	return key, 0, err
}

func (p *password) make(h hint) (types.EncryptionKey, error) {
	et, err := crypto.GetEtype(h.etype)
	if err != nil {
		return types.EncryptionKey{}, err
	}
	options := et.GetDefaultStringToKeyParams()
	if len(h.options) == 4 {
		if n := binary.BigEndian.Uint32(h.options); n == 0 || n > maxIterations {
			return types.EncryptionKey{}, fmt.Errorf("the KDC wants %d iterations for a key, of which 1 to %d are accepted", n, maxIterations)
		}
		options = hex.EncodeToString(h.options)
	}
	value, err := et.StringToKey(p.secret, h.salt, options)
	if err != nil {
		return types.EncryptionKey{}, errors.New("the password cannot be made into a key")
	}
	return types.EncryptionKey{KeyType: h.etype, KeyValue: value}, nil
}

// keytabKeys are the keys of one principal in a keytab.
type keytabKeys struct{ list []keytabKey }

type keytabKey struct {
	key     types.EncryptionKey
	version int
}

// readKeytab reads the keys of a principal from a file. Without a name the file must hold keys of one principal only. Errors of the
// library are left out because they quote the file.
func readKeytab(path string, want principal) (owner principal, found keytabKeys, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return want, found, err
	}
	table := keytab.New()
	if err := unmarshalKeytab(table, content); err != nil {
		return want, found, fmt.Errorf("%s is not a keytab", path)
	}
	owner = want
	for _, e := range table.Entries {
		p := principalOf(types.PrincipalName{NameString: e.Principal.Components}, e.Principal.Realm)
		if want.name == "" && owner.name == "" {
			owner = p
		}
		switch {
		case p == owner:
			found.list = append(found.list, keytabKey{e.Key, int(e.KVNO)})
		case want.name == "":
			return want, keytabKeys{}, fmt.Errorf("%s has keys of several principals: name one in Config.Principal", path)
		}
	}
	if len(found.list) == 0 {
		return want, found, fmt.Errorf("%s has no key of %s", path, want)
	}
	slices.SortStableFunc(found.list, func(a, b keytabKey) int { return b.version - a.version })
	return owner, found, nil
}

// unmarshalKeytab turns a panic about a damaged file into an error.
func unmarshalKeytab(into *keytab.Keytab, content []byte) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("damaged")
		}
	}()
	return into.Unmarshal(content)
}

func (k keytabKeys) types(of []int32) []int32 {
	return slices.DeleteFunc(slices.Clone(of), func(t int32) bool {
		return !slices.ContainsFunc(k.list, func(e keytabKey) bool { return e.key.KeyType == t })
	})
}

func (k keytabKeys) key(h hint, kvno int) (types.EncryptionKey, int, error) {
	var found *keytabKey
	for i, e := range k.list { // the newest first
		if e.key.KeyType == h.etype && (found == nil || e.version == kvno) {
			found = &k.list[i]
		}
	}
	if found == nil {
		return types.EncryptionKey{}, 0, fmt.Errorf("the keytab has no key of encryption type %d", h.etype)
	}
	return found.key, found.version, nil
}
