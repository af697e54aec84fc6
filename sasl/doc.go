// Package sasl authenticates a client to ZooKeeper's servers with SASL (RFC 4422).
//
// Set a Mechanism in framework.Config.SASL:
//
//	framework.New(framework.Config{
//		ConnectString: "zk1,zk2,zk3",
//		SASL:          sasl.DigestMD5("orders", os.Getenv("ZOOKEEPER_PASSWORD")),
//	})
//
// The client begins an exchange on each new connection, after the session's handshake and before any other request. A
// connection counts as established once the exchange is complete, so no operation runs without the identity. The servers know the client as
// "sasl:<name>". framework.CreatorACL refers to this identity, and so does an ACL entry with scheme "sasl".
//
//	dialled ─▶ session granted or resumed ─▶ exchange ─▶ Config.Auth ─▶ operations
//	                                            │
//	                                            └─ refused, or not offered: the connection ends
//
// If the exchange is refused, WaitConnected and operations that run out of time return framework.ErrAuthFailed. Health and the log show the
// refusal, and what to do. The client keeps trying, with the pauses of Config.ReconnectPolicy. If the servers refuse a client that wants to
// resume its session, the session ends after its timeout, as if no server could be reached.
//
// # Errors
//
// A failure is an [Error]: it matches one of the kinds below ([ErrCredentials], [ErrExpired], [ErrRefused] and others) with errors.Is, and
// says what to do. Your own Mechanism should return an [Error] if one of the kinds fits.
//
// # Mechanisms
//
// This package has DIGEST-MD5 (RFC 2831), with a name and a password that the servers' JAAS file lists (DigestLoginModule). The password is not
// sent over the network, and the server has to prove that it also knows the password. An attacker who records an exchange can guess
// passwords offline, so use long random passwords, or TLS.
//
// Your own Mechanism implements the two interfaces below. Its errors may be logged, so they must not contain secrets.
package sasl
