package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/docent-zk/docent/framework"
)

// server is one entry of the connect string.
type server struct{ host, port string }

func (s server) String() string { return net.JoinHostPort(s.host, s.port) }

// named are the servers of the connect string, which is valid.
func (a *app) named() []server {
	list, _, _ := framework.ParseConnectString(a.flags.servers)
	all := make([]server, len(list))
	for i, address := range list {
		host, port, _ := net.SplitHostPort(address)
		all[i] = server{host, port}
	}
	return all
}

// addresses resolves the name of a server.
func (a *app) addresses(ctx context.Context, s server) ([]string, error) {
	if _, err := netip.ParseAddr(s.host); err == nil {
		return []string{s.host}, nil
	}
	return a.lookupHost(ctx, s.host)
}

// briefly bounds what waits for one server.
func (a *app) briefly(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, min(a.timeout, a.patience))
}

// tcp opens a connection to one address of a server.
func (a *app) tcp(ctx context.Context, s server, address string) (net.Conn, error) {
	ctx, cancel := a.briefly(ctx)
	defer cancel()
	return a.dial(ctx, "tcp", net.JoinHostPort(address, s.port))
}

// secure makes TLS of a connection, if the flags say so. It takes the connection over, even if it fails.
func (a *app) secure(ctx context.Context, s server, conn net.Conn) (net.Conn, error) {
	cfg, err := a.flags.tlsConfig()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	if cfg == nil {
		return conn, nil
	}
	if cfg.ServerName == "" {
		cfg.ServerName = s.host
	}
	ctx, cancel := a.briefly(ctx)
	defer cancel()
	secured := tls.Client(conn, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secured, nil
}

// maxAnswer is the longest answer to a four-letter word that is read.
const maxAnswer = 16 << 20

// ask sends a four-letter word on a connection, which it closes, and returns the answer. The line break behind the word makes
// it as long as the head of a TLS record, so that a server that expects one refuses it at once.
func (a *app) ask(ctx context.Context, conn net.Conn, word string) (string, error) {
	ctx, cancel := a.briefly(ctx)
	defer cancel()
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	if _, err := io.WriteString(conn, word+"\n"); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	if len(answer) > 0 {
		err = nil // a server may reset the connection behind its answer
	}
	return string(answer), err
}

// consLine is one connection in the answer to cons.
var consLine = regexp.MustCompile(`(?m)^\s*/(\S+):\d+\[\d+\]\(.*?\bsid=(0x[0-9a-f]+)`)

// connections adds to hosts what an answer to cons says: the address behind each session.
func connections(answer string, hosts map[int64]string) {
	for _, m := range consLine.FindAllStringSubmatch(answer, -1) {
		id, err := strconv.ParseUint(m[2], 0, 64)
		if err != nil || id == 0 {
			continue
		}
		address := m[1]
		if parsed, err := netip.ParseAddr(strings.Trim(address, "[]")); err == nil {
			address = parsed.String()
		}
		hosts[int64(id)] = address
	}
}

// hosts asks all servers which address is behind which session. Servers that do not tell are counted.
func (a *app) hosts(ctx context.Context) (hosts map[int64]string, note string) {
	servers := a.named()
	answers := make([]string, len(servers))
	_ = parallel(len(servers), func(i int) error {
		answers[i], _ = a.cons(ctx, servers[i]) // without an answer it is empty
		return nil
	})
	hosts = map[int64]string{}
	silent := 0
	for _, answer := range answers {
		if answer == "" || strings.Contains(answer, "not in the whitelist") {
			silent++
			continue
		}
		connections(answer, hosts)
	}
	if silent > 0 {
		note = fmt.Sprintf("%s did not tell which hosts are connected (four-letter word cons, see 4lw.commands.whitelist)", plural(silent, "server"))
	}
	return hosts, note
}

// cons asks one server for its connections, at the first of its addresses that answers.
func (a *app) cons(ctx context.Context, s server) (answer string, err error) {
	addresses, err := a.addresses(ctx, s)
	for _, address := range addresses {
		var conn net.Conn
		if conn, err = a.tcp(ctx, s, address); err != nil {
			continue
		}
		if conn, err = a.secure(ctx, s, conn); err != nil {
			continue
		}
		if answer, err = a.ask(ctx, conn, "cons"); err == nil {
			return answer, nil
		}
	}
	return "", err
}
