// Package sasl authenticates a client to ZooKeeper's servers with SASL (RFC 4422).
//
// A Mechanism stands in framework.Config.SASL:
//
//	framework.New(framework.Config{
//		ConnectString: "zk1,zk2,zk3",
//		SASL:          sasl.DigestMD5("orders", os.Getenv("ZOOKEEPER_PASSWORD")),
//	})
//
// The client begins an exchange on each new connection, behind the session's handshake and ahead of any other request. A
// connection counts as established once the exchange is over, so that no operation ever runs without the identity. The
// servers then know the client as "sasl:<name>", which framework.CreatorACL stands for, and which an ACL of scheme "sasl" names.
//
//	dialled ─▶ session granted or resumed ─▶ exchange ─▶ Config.Auth ─▶ operations
//	                                            │
//	                                            └─ refused, or not offered: the connection ends
//
// A refused exchange is answered with framework.ErrAuthFailed by WaitConnected and by operations that run out of time, and is
// shown by Health and in the log, with what to do. The client goes on trying, with the pauses of Config.ReconnectPolicy. A session that
// is refused when it is resumed ends like one whose servers cannot be reached: by its own timeout.
//
// # Errors
//
// A failure is an [Error]: it matches one of the kinds below ([ErrCredentials], [ErrExpired], [ErrRefused] and others) with errors.Is, and
// says what to do. A Mechanism of one's own returns one where a kind fits.
//
// # Mechanisms
//
// DIGEST-MD5 (RFC 2831) is here: a name and a password that the servers' JAAS file lists (DigestLoginModule). The password does
// not cross the network, and the server has to prove that it knows it as well. A recorded exchange allows guesses, so use long random
// passwords, or TLS.
//
// A Mechanism of one's own implements the two interfaces below. What it returns in an error may be logged: no secret belongs
// there.
package sasl
