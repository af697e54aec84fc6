// Package kerberos authenticates clients to ZooKeeper's servers with Kerberos: SASL's mechanism GSSAPI (RFC 4752). It is a
// separate module, so that other programs do not need the Kerberos library.
//
//	krb, err := kerberos.New(kerberos.Config{
//		Principal: "orders@EXAMPLE.COM",
//		Keytab:    "/etc/orders.keytab",
//	})
//	if err != nil {
//		return err
//	}
//	defer krb.Close()
//	cli, err := framework.New(framework.Config{
//		ConnectString: "zk1.example.com,zk2.example.com,zk3.example.com",
//		SASL:          krb,
//		ACL:           framework.CreatorACL(),
//	})
//
// The servers know the client as sasl:orders@EXAMPLE.COM, unless their kerberos.* properties change the name. The client
// authenticates each connection before any other request; see package sasl.
//
// # Where tickets come from
//
// A client has one of three sources:
//
//   - A keytab ([Config.Keytab]). This is the usual one for services. The file may be replaced while the client runs.
//   - A credential cache ([Config.CredentialCache], KRB5CCNAME), which kinit or another program fills. Types FILE and DIR are
//     supported; KEYRING, KCM and API are not. Without [Config.Principal] the client has the
//     principal that owns the cache when a connection is made.
//   - A password ([Config.Password]).
//
// KDCs are those of the realm in krb5.conf, or of the realm's SRV records. The client asks them over TCP, or over UDP if TCP is refused.
// Several realms work with referrals and with domain_realm. All encryption types of AES are supported. Older ones are not: a
// principal that has only keys of RC4 or DES cannot authenticate.
//
// # The servers' principal
//
// Each server has a principal, zookeeper/<host>@<realm>. The host is the canonical name of the address that the client is connected to, as in
// Java clients. [Config.ServerPrincipal] and [Config.HostNames] change this.
//
// The server has to prove that it has the key of that principal: it answers with the client's own time, encrypted with the ticket's
// session key, and protects its next message with a key of this connection. If a server cannot do this, the error is sasl.ErrServer, and the connection
// ends before any request.
//
// # Renewal
//
// Tickets are replaced after four fifths of their lifetime, in the background: by a new login with a keytab or a password, or by
// renewing the ticket of a credential cache as far as the KDC allows. Tickets for the servers in use are replaced together with
// them. So a KDC outage that is shorter than a fifth of the lifetime has no effect, even on a client that has to reconnect. A longer
// outage affects only clients that have to reconnect, because an established connection no longer needs its ticket.
//
//	           first connection                 4/5 of its life
//	no ticket ──────────────────▶ ticket in use ───────────────▶ refreshed ──▶ ticket in use
//	    ▲                            │                              │
//	    │                            │ end of its life              │ KDC away, or kinit needed:
//	    └────────────────────────────┴──────────────────────────────┘ keep the old ticket, and try again later
//
// If the ticket of a credential cache can no longer be renewed, run kinit again. The cache is read again when its file changes. If the
// file is removed, the tickets that were read from it remain in use until they end.
//
// Nothing runs before the first connection. [Mechanism.Close] ends the renewal.
//
// # Errors
//
// Each failure is a [sasl.Error]. Its kind tells a program what happened, and its text tells a person what to do:
//
//	wrong password or keytab, unknown or locked account   sasl.ErrCredentials
//	the ticket of a credential cache has ended            sasl.ErrExpired
//	clocks that differ by more than five minutes          sasl.ErrClockSkew
//	no such principal as the server's                     sasl.ErrUnknownServer
//	no KDC answers                                        sasl.ErrUnreachable
//	no krb5.conf, keytab or credential cache              sasl.ErrConfiguration
//	the server does not prove itself                      sasl.ErrServer
//	the server refuses the ticket, without a reason       sasl.ErrRefused
//
// After a failure the client waits before it asks the KDC again. The pause doubles with each failure: half a second to five seconds if no KDC answers, half a minute to
// ten minutes if the KDC refuses the client's password or key, and half a second to a minute otherwise. So a wrong password does not lock an account at once,
// however many clients share the mechanism. During the pause, attempts to connect fail at once with the same error. A keytab or credential cache that changes is tried at once.
//
// No error, log line or printed value holds a password, a key or a ticket.
//
// # Guarantees
//
//   - No request of a client is sent on a connection whose server has not proved its identity.
//   - One goroutine of a mechanism at a time talks to KDCs. All clients that share it use the same tickets.
//   - If a server refuses a ticket, the client uses a new one on the next connection. So it can reach a server whose key has changed without
//     a restart of the client.
//   - Start returns when its context ends.
//
// They assume that the clock of this machine is within five minutes of the KDC's and the servers' (clockskew in krb5.conf), and that
// nobody else can read the keytab or the credential cache.
package kerberos
