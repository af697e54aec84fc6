package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"
)

// network looks at each address of each server.
func (d *doctor) network(ctx context.Context) {
	d.modes = map[string]int{}
	for _, s := range d.named() {
		resolving, cancel := d.briefly(ctx)
		addresses, err := d.addresses(resolving, s)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			d.find("name", verdictProblem, fmt.Sprintf("The name %s cannot be resolved: %v.", s.host, err),
				"Check the name, and the DNS servers of this machine. In Kubernetes, check the namespace in the name.")
			continue
		}
		for _, address := range addresses {
			d.address(ctx, s, address)
		}
	}
}

// address looks at one address of a server: TCP, TLS, and what the server says of itself.
func (d *doctor) address(ctx context.Context, s server, address string) {
	who := s.String()
	if address != s.host {
		who += " (" + address + ")"
	}
	begin := time.Now()
	conn, err := d.tcp(ctx, s, address)
	if err != nil {
		d.find("tcp", verdictProblem, fmt.Sprintf("%s cannot be reached: %v.", who, err), dialAdvice(err))
		return
	}
	took := time.Since(begin)
	conn, err = d.secure(ctx, s, conn)
	if err != nil {
		d.find("tls", verdictProblem, fmt.Sprintf("%s does not complete the TLS handshake: %v.", who, err), tlsAdvice(err))
		return
	}
	answer, err := d.ask(ctx, conn, "srvr")
	switch {
	case ctx.Err() != nil:
	case answer == "" && !d.flags.usesTLS() && d.speaksTLS(ctx, s, address):
		d.find("tls", verdictProblem, fmt.Sprintf("%s speaks TLS on this port.", who), "Use --tls, with --tls-ca if the authority of its certificate is your own.")
	default:
		d.says(who, answer, err, took)
	}
}

// speaksTLS tries a handshake, without trusting or proving anything.
func (d *doctor) speaksTLS(ctx context.Context, s server, address string) bool {
	conn, err := d.tcp(ctx, s, address)
	if err != nil {
		return false
	}
	defer conn.Close()
	ctx, cancel := d.briefly(ctx)
	defer cancel()
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx)
	return err == nil || strings.Contains(err.Error(), "remote error: tls")
}

// dialAdvice is what to do about a connection that cannot be opened.
func dialAdvice(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "The machine answers, and nothing listens on this port. Check that the server runs, and its clientPort."
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "There is no way to this address from here. Check the network and its routes."
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "Nothing answers. A firewall may drop the packets, or the machine is down."
	}
	return "Check the address and the network."
}

// tlsAdvice is what to do about a TLS handshake that fails.
func tlsAdvice(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		plain     tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &authority):
		return "The certificate is not signed by an authority that this machine trusts. Name the authority's certificate with --tls-ca."
	case errors.As(err, &name):
		return "Connect by a name that the certificate has, or give that name with --tls-server-name."
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "Renew the server's certificate. If it is valid, the clock of this machine is wrong."
	case errors.As(err, &invalid):
		return "The server's certificate cannot be used for this. Issue another one."
	case errors.As(err, &plain), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "This port does not seem to speak TLS. Use the server's secureClientPort, or leave out the flags for TLS."
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls"):
		return "The server ended the handshake. It may demand a client certificate (--tls-cert, --tls-key) that it trusts."
	case errors.Is(err, context.DeadlineExceeded):
		return "The port accepts connections and does not speak TLS. Use the server's secureClientPort, or leave out the flags for TLS."
	}
	return "Check the server's TLS configuration."
}

// says is about what a server has answered to srvr.
func (d *doctor) says(who, answer string, err error, took time.Duration) {
	switch {
	case strings.Contains(answer, "Mode: "):
		d.reached++
		mode := field(answer, "Mode: ")
		d.modes[mode]++
		version, _, _ := strings.Cut(field(answer, "Zookeeper version: "), ",")
		d.find("server", verdictFine, fmt.Sprintf("%s is ZooKeeper %s, %s; it accepted the connection in %s.", who, version, mode, brief(took)), "")
	case strings.Contains(answer, "not currently serving requests"):
		d.find("server", verdictProblem, fmt.Sprintf("%s runs and serves nobody: it has no quorum, or is still starting.", who),
			"Check that a majority of the ensemble runs, and that the members reach each other on the ports in the server.N lines.")
	case strings.Contains(answer, "not in the whitelist"):
		d.reached++
		d.find("server", verdictFine, fmt.Sprintf("%s is a ZooKeeper server, and does not say more (4lw.commands.whitelist).", who), "")
	case strings.Contains(fmt.Sprint(err), "remote error: tls"):
		d.find("tls", verdictProblem, fmt.Sprintf("%s ended the TLS connection: %v.", who, err), tlsAdvice(err))
	default:
		d.silent(who, answer, err)
	}
}

// silent is about a server that accepts connections and does not speak to srvr as ZooKeeper does. Some services that speak
// ZooKeeper's protocol have no four-letter words, so it is not a problem yet.
func (d *doctor) silent(who, answer string, err error) {
	d.reached++
	text := "closed the connection without an answer"
	switch {
	case answer != "":
		text = fmt.Sprintf("answered %q", clip(answer, 40))
	case err != nil:
		text = fmt.Sprintf("did not answer: %v", err)
	}
	d.find("server", verdictNote, fmt.Sprintf("%s accepts connections; asked for its state (srvr), it %s.", who, text),
		"The port may be another service's, a load balancer's without a server behind it, or one for TLS (--tls).")
}

// field is the rest of the line of answer that begins with name.
func field(answer, name string) string {
	_, rest, _ := strings.Cut(answer, name)
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

// ensemble is about what the servers have said together.
func (d *doctor) ensemble() {
	if d.modes["standalone"] > 1 || d.modes["standalone"] == 1 && len(d.modes) > 1 {
		d.find("ensemble", verdictProblem, fmt.Sprintf("%s standalone: these servers do not share their data.", plural(d.modes["standalone"], "server")),
			"A connect string lists members of one ensemble. Check the server.N lines of their configuration, and --servers.")
		return
	}
	if d.modes["leader"] > 1 {
		d.find("ensemble", verdictProblem, fmt.Sprintf("There are %d leaders: the servers belong to several ensembles, or leadership is moving.", d.modes["leader"]),
			"Run doctor again. If it stays so, check --servers.")
		return
	}
	if len(d.modes) > 0 && d.modes["standalone"] == 0 {
		var parts []string
		for _, mode := range slices.Sorted(maps.Keys(d.modes)) {
			parts = append(parts, plural(d.modes[mode], mode))
		}
		d.find("ensemble", verdictFine, fmt.Sprintf("The servers that answered are members of an ensemble: %s.", strings.Join(parts, ", ")), "")
	}
}

// brief is a duration with as many digits as a person wants.
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
