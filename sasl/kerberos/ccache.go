package kerberos

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// cacheFile is the file of a credential cache by its name, as KRB5CCNAME has it.
func cacheFile(name string) (path string, err error) {
	kind, rest, typed := strings.Cut(name, ":")
	switch {
	case !typed || len(kind) == 1: // a path, on Windows with a drive
		return name, nil
	case kind == "FILE" || kind == "WRFILE":
		return rest, nil
	case kind == "DIR" && strings.HasPrefix(rest, ":"):
		return rest[1:], nil
	case kind == "DIR":
		primary, err := os.ReadFile(filepath.Join(rest, "primary"))
		if err != nil {
			return "", err
		}
		return filepath.Join(rest, filepath.Base(strings.TrimSpace(string(primary)))), nil
	}
	return "", fmt.Errorf("credential caches of type %s cannot be read", kind)
}

// defaultCache is the name of the user's cache where nothing names one.
func defaultCache(fromConfig string) string {
	if name := os.Getenv("KRB5CCNAME"); name != "" {
		return name
	}
	uid := strconv.Itoa(os.Getuid())
	if fromConfig == "" {
		return "FILE:" + filepath.Join(os.TempDir(), "krb5cc_"+uid)
	}
	return expand(fromConfig)
}

// expand replaces the tokens in names of files that krb5.conf may have.
func expand(name string) string {
	uid := strconv.Itoa(os.Getuid())
	login := ""
	if u, err := user.Current(); err == nil {
		login = u.Username
	}
	return strings.NewReplacer("%{uid}", uid, "%{euid}", strconv.Itoa(os.Geteuid()), "%{USERID}", uid, "%{username}", login, "%{TEMP}", os.TempDir(), "%{null}", "").Replace(name)
}

// fileMark tells one content of a file from another.
type fileMark struct {
	size    int64
	changed time.Time
}

func markOf(path string) (fileMark, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileMark{}, err
	}
	return fileMark{info.Size(), info.ModTime()}, nil
}

// cache is what a credential cache holds.
type cache struct {
	owner   principal
	tickets []*ticket
}

// errDamaged says that a file is not a credential cache, or not completely written.
var errDamaged = errors.New("it is not a credential cache of version 3 or 4, or is damaged")

// readCache reads the file of a cache.
func readCache(path string) (*cache, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	c, err := parseCache(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// parseCache reads version 4, which MIT and Heimdal write, and version 3, which Java does.
func parseCache(content []byte) (*cache, error) {
	d := &decoder{rest: content}
	version := d.uint16()
	switch version {
	case 0x0504:
		d.take(int(d.uint16())) // the header: how far the KDC's clock was ahead
	case 0x0503:
	default:
		return nil, errDamaged
	}
	c := &cache{owner: d.principal()}
	for len(d.rest) > 0 && !d.failed {
		t := d.ticket(version == 0x0503)
		if t != nil {
			c.tickets = append(c.tickets, t)
		}
	}
	if d.failed {
		return nil, errDamaged
	}
	return c, nil
}

// decoder reads from bytes until there are not enough of them.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) take(n int) []byte {
	if d.failed || n < 0 || n > len(d.rest) {
		d.failed = true
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *decoder) uint16() uint16 {
	if b := d.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) data() []byte { return d.take(int(d.uint32())) }

func (d *decoder) time() time.Time {
	if seconds := d.uint32(); seconds != 0 {
		return time.Unix(int64(seconds), 0)
	}
	return time.Time{}
}

func (d *decoder) principal() principal {
	d.uint32() // type of the name
	components := d.uint32()
	p := principal{realm: string(d.data())}
	names := make([]string, 0, 4)
	for range components {
		if d.failed {
			return principal{}
		}
		names = append(names, string(d.data()))
	}
	p.name = strings.Join(names, "/")
	return p
}

// list skips addresses or authorization data.
func (d *decoder) list() {
	for range d.uint32() {
		if d.failed {
			return
		}
		d.uint16()
		d.data()
	}
}

// ticket reads one credential. It returns nil for an entry that holds no ticket but a setting of the cache.
func (d *decoder) ticket(keyTypeTwice bool) *ticket {
	t := &ticket{client: d.principal(), server: d.principal()}
	t.key.KeyType = int32(d.uint16())
	if keyTypeTwice {
		t.key.KeyType = int32(d.uint16())
	}
	t.key.KeyValue = d.data()
	d.time() // of the authentication
	t.start, t.end, t.renewTill = d.time(), d.time(), d.time()
	userToUser := d.take(1)
	flags := d.uint32()
	d.list()
	d.list()
	encoded := d.data()
	d.data() // a second ticket
	if d.failed || userToUser[0] != 0 || strings.HasPrefix(t.server.realm, "X-CACHECONF") {
		return nil
	}
	t.renewable = flags&(1<<(31-flagRenewable)) != 0
	if err := unmarshalTicket(&t.ticket, encoded); err != nil {
		return nil // of no use, which is not the fault of the others
	}
	t.key = types.EncryptionKey{KeyType: t.key.KeyType, KeyValue: append([]byte{}, t.key.KeyValue...)}
	return t
}

func unmarshalTicket(into *messages.Ticket, encoded []byte) error {
	if err := into.Unmarshal(encoded); err != nil {
		return err
	}
	if len(into.SName.NameString) == 0 {
		return errors.New("a ticket for nobody")
	}
	return nil
}
