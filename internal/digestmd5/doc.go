// Package digestmd5 is the SASL mechanism DIGEST-MD5 (RFC 2831), as far as ZooKeeper uses it: authentication of the client by a
// password that both sides know, and of the server in its last message. Neither integrity nor confidentiality of what follows
// is negotiated; TLS is for that.
//
//	client                                 server
//	empty           ────────────────────▶
//	                ◀──────────────────── challenge: realm, nonce
//	response: name, nonces, proof ──────▶
//	                ◀──────────────────── proof of the server (rspauth)
//
// Both sides are here: package sasl is the client, and zktest the server.
//
// The hash function is MD5 because the mechanism says so. An attacker who records an exchange can try passwords offline, so
// passwords must be long and random, or the connection TLS.
package digestmd5
