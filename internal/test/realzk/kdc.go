package realzk

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Realm is the realm of a KDC.
const Realm = "DOCENT.TEST"

const (
	kdcLog = "kdc.log"
	// commandLimit bounds one command of Kerberos, on a machine that is busy with other things.
	commandLimit = time.Minute
)

// KDC is MIT's Kerberos server for one realm, on TCP, with a database of its own. Its methods can be called from any goroutine.
type KDC struct {
	port  *port
	dir   *scratch
	tools map[string]string // paths of the programs, by name

	mu      sync.Mutex // for commands on the database, and for files' names
	files   int
	current *process
}

// kerberosTools are the programs that a KDC needs. Debian has them in krb5-kdc, krb5-admin-server and krb5-user.
var kerberosTools = []string{"krb5kdc", "kdb5_util", "kadmin.local", "kinit"}

// StartKDC makes a realm and starts its KDC, which ends with the test. It skips the test if there is no MIT Kerberos here, and fails
// it instead if DOCENT_REQUIRE_KDC=1 says that there must be.
func StartKDC(tb TB) *KDC {
	tb.Helper()
	tools, err := machine.kerberos()
	if err != nil {
		if isSet(machine.getenv("DOCENT_REQUIRE_KDC")) && !machine.short() {
			tb.Fatalf("a real KDC must be there (DOCENT_REQUIRE_KDC=1), but %v; %s", err, kdcRemedy)
		}
		tb.Skipf("no real KDC: %v; %s", err, kdcRemedy)
	}
	kdc, err := onFreePorts(func() (*KDC, error) { return newKDC(tools) })
	if err != nil {
		tb.Fatalf("%v", err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("end of the log of the KDC:\n%s", kdc.logTail())
		}
		if err := kdc.close(); err != nil {
			tb.Logf("%v", err)
		}
	})
	return kdc
}

const kdcRemedy = "scripts/install-zookeeper --kerberos installs it"

// kerberos finds the programs.
func (h *host) kerberos() (map[string]string, error) {
	if h.short() {
		return nil, errors.New("go test -short starts no server")
	}
	places := append(filepath.SplitList(h.getenv("PATH")), "/usr/sbin", "/usr/local/sbin")
	tools := make(map[string]string)
	for _, name := range kerberosTools {
		for _, dir := range places {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil && tools[name] == "" {
				tools[name] = path
			}
		}
		if tools[name] == "" {
			return nil, fmt.Errorf("there is no %s", name)
		}
	}
	return tools, nil
}

func newKDC(tools map[string]string) (*KDC, error) {
	ports, err := reserve(1)
	if err != nil {
		return nil, err
	}
	dir, err := newScratch(scratchPlaces()...)
	if err != nil {
		releaseAll(ports)
		return nil, err
	}
	k := &KDC{port: ports[0], dir: dir, tools: tools}
	err = errors.Join(k.dir.write("krb5.conf", k.clientConfig()), k.dir.write("kdc.conf", k.serverConfig()))
	if err == nil {
		_, err = k.run("kdb5_util", "-r", Realm, "-P", "the master key", "create", "-s")
	}
	if err == nil {
		err = k.Start()
	}
	if err != nil {
		return nil, errors.Join(err, k.close())
	}
	return k, nil
}

func (k *KDC) clientConfig() string {
	return fmt.Sprintf(`[libdefaults]
	default_realm = %[1]s
	dns_lookup_kdc = false
	dns_lookup_realm = false
	udp_preference_limit = 1
[realms]
	%[1]s = {
		kdc = %[2]s
	}
`, Realm, k.port.addr())
}

func (k *KDC) serverConfig() string {
	return fmt.Sprintf(`[kdcdefaults]
	kdc_listen = ""
	kdc_tcp_listen = %[2]s
[realms]
	%[1]s = {
		database_name = %[3]s
		key_stash_file = %[4]s
		max_life = 1h
		max_renewable_life = 7d
		supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
		default_principal_flags = +preauth
	}
[logging]
	kdc = FILE:%[5]s
	admin_server = FILE:%[5]s
`, Realm, k.port.addr(), k.dir.file("principal"), k.dir.file("stash"), k.dir.file(kdcLog))
}

// Addr returns the KDC's address, host:port. It never changes.
func (k *KDC) Addr() string { return k.port.addr() }

// Config returns the path of a krb5.conf for clients of the realm, servers included.
func (k *KDC) Config() string { return k.dir.file("krb5.conf") }

// AddPrincipal makes a principal of the realm. Options are kadmin's, as "-maxlife", "10 sec", "-pw", "secret". Without a password its
// keys are random.
func (k *KDC) AddPrincipal(name string, options ...string) error {
	if !strings.Contains(strings.Join(options, " "), "-pw ") {
		options = append(options, "-randkey")
	}
	for i, option := range options {
		if strings.Contains(option, " ") {
			options[i] = `"` + option + `"`
		}
	}
	return k.admin("addprinc " + strings.Join(options, " ") + " " + name)
}

// Rekey gives a principal new random keys. Keytabs and tickets that are there keep the old ones.
func (k *KDC) Rekey(name string) error { return k.admin("cpw -randkey " + name) }

// Keytab writes a file with the keys of principals and returns its path.
func (k *KDC) Keytab(names ...string) (string, error) {
	k.mu.Lock()
	k.files++
	path := k.dir.file(fmt.Sprintf("%d.keytab", k.files))
	k.mu.Unlock()
	return path, k.admin("ktadd -q -norandkey -k " + path + " " + strings.Join(names, " "))
}

// Kinit fills the credential cache in a file, as a user does, with a keytab. Options are kinit's, as "-l", "10s".
func (k *KDC) Kinit(cache, keytab, name string, options ...string) error {
	_, err := k.run("kinit", append(append([]string{"-c", cache, "-k", "-t", keytab}, options...), name)...)
	return err
}

// admin runs a command of kadmin, which prints errors and succeeds.
func (k *KDC) admin(command string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	output, err := k.run("kadmin.local", "-r", Realm, "-q", command)
	for line := range strings.Lines(output) {
		if head, _, _ := strings.Cut(command, " "); strings.HasPrefix(line, head+":") || strings.HasPrefix(line, "add_principal:") || strings.HasPrefix(line, "kadmin.local:") || strings.HasPrefix(line, "change_password:") {
			err = errors.Join(err, fmt.Errorf("realzk: kadmin: %s", strings.TrimSpace(line)))
		}
	}
	return err
}

// run runs a program of Kerberos on this realm.
func (k *KDC) run(tool string, args ...string) (output string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.tools[tool], args...)
	cmd.Env = k.environment()
	text, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("realzk: %s: %w: %s", tool, err, strings.TrimSpace(string(text)))
	}
	return string(text), err
}

func (k *KDC) environment() []string {
	return append(os.Environ(), "KRB5_CONFIG="+k.Config(), "KRB5_KDC_PROFILE="+k.dir.file("kdc.conf"), "KRB5CCNAME="+k.dir.file("cache"), "LC_ALL=C")
}

// Start starts the process again after Stop, on the database that is there, and waits until it accepts connections.
func (k *KDC) Start() error {
	cmd := exec.Command(k.tools["krb5kdc"], "-n", "-r", Realm)
	cmd.Env, cmd.Dir = k.environment(), k.dir.path
	p := newProcess(cmd)
	if err := p.start(); err != nil {
		return err
	}
	k.mu.Lock()
	k.current = p
	k.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp4", k.Addr())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-poll.C:
		case <-p.exited:
			return k.explainExit(p)
		case <-ctx.Done():
			return fmt.Errorf("realzk: the KDC is not ready: %w; its log ends:\n%s", err, k.logTail())
		}
	}
}

func (k *KDC) explainExit(p *process) error {
	reason, tail := ErrNotRunning, k.logTail()
	if strings.Contains(tail, "Address already in use") {
		reason = errPortTaken
	}
	return fmt.Errorf("realzk: the KDC: %w: it has ended (%v); its log ends:\n%s", reason, p.result, tail)
}

// Stop ends the process. Its port refuses connections from then on.
func (k *KDC) Stop() error {
	k.mu.Lock()
	p := k.current
	k.current = nil
	k.mu.Unlock()
	if p == nil {
		return nil
	}
	return p.terminate()
}

func (k *KDC) logTail() string {
	log, err := os.ReadFile(k.dir.file(kdcLog))
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return string(log[max(0, len(log)-logTail):])
}

func (k *KDC) close() error {
	err := errors.Join(k.Stop(), k.dir.remove())
	k.port.release()
	return err
}
