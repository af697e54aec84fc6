package framework

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// TLS alerts (RFC 8446, 6) of a server that rejects the client's certificate or requires one.
const (
	alertBadCertificate      tls.AlertError = 42
	alertAccessDenied        tls.AlertError = 49
	alertCertificateRequired tls.AlertError = 116
)

// refusesCertificate reports whether err is a server's alert about the client's certificate. Over TCP the type of an
// alert is not exported, but its text is that of an AlertError.
func refusesCertificate(err error) bool {
	var remote *net.OpError
	if !errors.As(err, &remote) || remote.Op != "remote error" {
		return false
	}
	for alert := alertBadCertificate; alert <= alertAccessDenied; alert++ {
		if remote.Err.Error() == alert.Error() {
			return true
		}
	}
	return remote.Err.Error() == alertCertificateRequired.Error()
}

// schemeX509 is the scheme of the identity in a client's certificate.
const schemeX509 = "x509"

// certificateRefused returns the error for a connection that a server has closed because of the client's certificate;
// nil if there was another reason.
func (c *core) certificateRefused(server string, err error) *AuthError {
	if !refusesCertificate(err) {
		return nil
	}
	advice := "check that the servers trust the authority that has signed the client's certificate, and that it has not expired"
	if !c.hosts.tls.certified() {
		advice = "the servers want a certificate of the client: set Config.TLSFiles, or Config.TLS with a certificate"
	}
	return &AuthError{Scheme: schemeX509, Server: server, Err: err, Advice: advice}
}

// certified reports whether the client has a certificate.
func (s *tlsSource) certified() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pair != nil || s.base != nil && (len(s.base.Certificates) > 0 || s.base.GetClientCertificate != nil)
}

// vetting is the maximum time that vet waits.
const vetting = 250 * time.Millisecond

// vet waits briefly for the alert of a server that rejects or requires the client's certificate. With TLS 1.3 it
// arrives after the client's handshake has ended, and is lost if the client has sent something by then. A server that
// accepts the client sends nothing before the session request.
func (c *core) vet(conn net.Conn, server string) error {
	secured, ok := conn.(*tls.Conn)
	if !ok {
		return nil
	}
	_ = secured.SetReadDeadline(time.Now().Add(min(c.grant.timeout()/8, vetting)))
	_, err := secured.Read(make([]byte, 1))
	_ = secured.SetReadDeadline(time.Time{})
	var failed net.Error
	switch {
	case errors.As(err, &failed) && failed.Timeout():
		return nil
	case err == nil:
		return fmt.Errorf("%s sends something before it is asked", server)
	}
	if refused := c.certificateRefused(server, err); refused != nil {
		return refused
	}
	return fmt.Errorf("%s closes the connection: %w", server, err)
}

// tlsFailed returns the error of a TLS handshake, with what to do.
func tlsFailed(server string, err error) error {
	err = fmt.Errorf("TLS handshake with %s: %w", server, err)
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		record  tls.RecordHeaderError
	)
	advice := ""
	switch {
	case errors.As(err, &unknown):
		advice = "add the authority of the servers' certificates to Config.TLSFiles.Roots, or to Config.TLS.RootCAs"
	case errors.As(err, &name):
		advice = "write the name that the certificate has in the connect string, or set Config.TLS.ServerName"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		advice = "renew the server's certificate, or set the clock of this host right"
	case errors.As(err, &record):
		advice = "check that the port is one for TLS, as secureClientPort is"
	}
	if advice == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, advice)
}
