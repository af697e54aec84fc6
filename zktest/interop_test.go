package zktest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/zktest"
)

const (
	zookeeperJars = "/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar"
	curatorJars   = "/usr/share/java/curator-recipes.jar:" + zookeeperJars
)

var javaFlags = []string{"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
	"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dzookeeper.extendedTypesEnabled=true"}

// needs skips a test without the files that it needs, and fails it where they must be there.
func needs(t *testing.T, files ...string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts another language's client")
	}
	for _, file := range files {
		if _, err := exec.LookPath(file); err == nil {
			continue
		}
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" || os.Getenv("DOCENT_REQUIRE_ZOOKEEPER") == "1" {
			t.Fatalf("the environment says that %s must be there, and it is not: run scripts/install-zookeeper", file)
		}
		t.Skipf("needs %s: run scripts/install-zookeeper", file)
	}
}

// peer is a running client in another language.
type peer struct {
	t     *testing.T
	in    io.WriteCloser
	lines *bufio.Scanner
	cmd   *exec.Cmd
}

// startPeer starts a client. both says that what it writes as errors belongs to what it has to say.
func startPeer(t *testing.T, both bool, name string, args ...string) *peer {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	p := &peer{t: t, cmd: exec.CommandContext(ctx, name, args...)}
	in, err := p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	log := new(strings.Builder)
	if p.cmd.Stderr = log; both {
		p.cmd.Stderr = p.cmd.Stdout
	}
	p.in, p.lines = in, bufio.NewScanner(out)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() {
		_ = p.in.Close()
		cancel()
		_ = p.cmd.Wait()
		if t.Failed() {
			t.Log(log)
		}
	})
	return p
}

// expect compares the lines that the peer prints next.
func (p *peer) expect(want ...string) {
	p.t.Helper()
	for _, line := range want {
		if !p.lines.Scan() {
			p.t.Fatalf("the client ended before it said %q: %v", line, p.lines.Err())
		}
		require.Equal(p.t, line, strings.TrimSpace(p.lines.Text()))
	}
}

// ends expects the peer to end well.
func (p *peer) ends() {
	p.t.Helper()
	require.False(p.t, p.lines.Scan(), p.lines.Text())
	require.NoError(p.t, p.cmd.Wait())
}

func startForPeers(t *testing.T) *zktest.Server {
	srv, err := zktest.Start(zktest.Config{Endpoints: 2, ContainerCheckInterval: 50 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return srv
}

// expireAll ends every session.
func expireAll(srv *zktest.Server) {
	for _, s := range srv.Sessions() {
		srv.ExpireSession(s.ID)
	}
}

func TestKazoo(t *testing.T) {
	needs(t, "/usr/bin/python3", "/usr/lib/python3/dist-packages/kazoo")
	srv := startForPeers(t)
	p := startPeer(t, false, "/usr/bin/python3", "testdata/kazoo_client.py", srv.ConnectString())
	p.expect(
		"state CONNECTED",
		"version (3, 8, 0) imok",
		"/k/a/b",
		"/k/s-0000000001 /k/s-0000000002",
		"/k/stat 5 0",
		"b'data' 0 1",
		"NodeExistsError", "NoNodeError", "BadVersionError",
		"transaction ['str', 'bool', 'ZnodeStat', 'bool']",
		"rolled back ['RolledBackError', 'NoNodeError'] None",
		"['a', 's-0000000001', 's-0000000002', 'stat']",
		"['a', 's-0000000001', 's-0000000002', 'stat', 'z']",
		"(b'', 0)", "(b'1', 1)",
		"NoAuthError",
		"b'' digest",
		"lock ['me']",
		"semaphore",
		"counter 2",
		"read lock", "write lock",
		"elected",
		"queue b'item' True",
		"cache [0, 6]", "cache 0",
		"EXPIRE",
	)
	expireAll(srv)
	p.expect("states SUSPENDED LOST CONNECTED", "ephemeral None")
	p.ends()
	require.Empty(t, srv.Sessions())
	require.Zero(t, srv.Counts().Requests[zktest.OpSASL])
}

func TestCurator(t *testing.T) {
	needs(t, "java", "javac", "/usr/share/java/curator-recipes.jar", "/usr/share/java/zookeeper.jar")
	srv := startForPeers(t)
	p := startPeer(t, false, "java", append(javaFlags, "-cp", curatorJars, "testdata/curator.java", srv.ConnectString())...)
	p.expect(
		"state CONNECTED",
		"created true 1",
		"protected true",
		"multi 4",
		"exists null",
		"watched NodeCreated /c/seen",
		"removed PersistentWatchRemoved /c",
		"quiet null",
		"mutex true 1",
		"read true", "write true",
		"leases 2",
		"number 5 4",
		"barrier true true",
		"leader true me",
		"NODE_CREATED /cache", "NODE_CREATED /cache/a", "NODE_CHANGED /cache/a", "cached 2", "NODE_DELETED /cache/a",
		"mine true",
		"EXPIRE",
	)
	expireAll(srv)
	p.expect("states [SUSPENDED, LOST, RECONNECTED]", "again true")
	p.ends()
	require.Empty(t, srv.Sessions())
}

func TestZkCli(t *testing.T) {
	needs(t, "java", "/usr/share/java/zookeeper.jar")
	srv := startForPeers(t)
	p := startPeer(t, true, "java", append(javaFlags, "-cp", zookeeperJars, "org.apache.zookeeper.ZooKeeperMain",
		"-waitforconnection", "-server", srv.ConnectString())...)
	answers := p.converse(
		"create /z one", "create -s /z/s- x", "create -e /z/e x", "create -c /z/c", "create -t 10000 /z/t x", "create /z",
		"get /z", "get -s /z", "set /z two", "set -v 7 /z three", "ls /z", "ls -s /z", "ls -R /z", "stat /z/e",
		"getAcl /z", "addauth digest me:pw", "setAcl /z/e auth::rw", "getAcl -s /z/e", "whoami",
		"getAllChildrenNumber /z", "getEphemerals /z", "sync /z", "addWatch /z", "delete /z/e", "removewatches /z", "delete /z", "deleteall /z",
		"ls /", "version", "config", "close",
	)
	for command, want := range map[string]string{
		"create /z one":           "Created /z",
		"create -s /z/s- x":       "Created /z/s-0000000000",
		"create -e /z/e x":        "Created /z/e",
		"create -c /z/c":          "Created /z/c",
		"create -t 10000 /z/t x":  "Created /z/t",
		"create /z":               "Node already exists: /z",
		"get /z":                  "one",
		"get -s /z":               "numChildren = 4",
		"set -v 7 /z three":       "version No is not valid : /z",
		"ls /z":                   "[c, e, s-0000000000, t]",
		"ls -s /z":                "cversion = 4",
		"ls -R /z":                "/z/s-0000000000",
		"stat /z/e":               "ephemeralOwner = 0x1",
		"getAcl /z":               "'world,'anyone",
		"getAcl -s /z/e":          "'digest,'me:x",
		"whoami":                  "digest: me",
		"getAllChildrenNumber /z": "4",
		"getEphemerals /z":        "[/z/e]",
		"sync /z":                 "Sync is OK",
		"delete /z":               "Node not empty: /z",
		"ls /":                    "[zookeeper]",
		"version":                 "ZooKeeper CLI version: 3.8",
	} {
		require.Contains(t, answers[command], want, command)
	}
	all := strings.Join(slices.Collect(maps.Values(answers)), "") // events come when they come
	require.Contains(t, all, "type:NodeDeleted path:/z/e")
	require.Contains(t, all, "type:PersistentWatchRemoved path:/z")
	require.Empty(t, srv.Sessions())
}

// converse gives commands to a shell that echoes nothing and returns what it prints for each. Between two commands it
// prints a line of its own, the error of a command that does not exist.
func (p *peer) converse(commands ...string) map[string]string {
	answers := make(map[string]string)
	for i, command := range commands {
		mark := fmt.Sprintf("/mark-%d", i)
		_, err := fmt.Fprintf(p.in, "%s\nget %s\n", command, mark)
		require.NoError(p.t, err)
	}
	_ = p.in.Close()
	i := 0
	for p.lines.Scan() && i < len(commands) {
		if strings.Contains(p.lines.Text(), fmt.Sprintf("/mark-%d", i)) {
			i++
			continue
		}
		answers[commands[i]] += p.lines.Text() + "\n"
	}
	return answers
}
