// Package seqnode knows the names of sequential znodes: how docent, Apache
// Curator, kazoo and go-zookeeper build them, and how they are put in order.
//
// # Anatomy
//
//	_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-lock-0000000042    Curator, docent
//	_c_0f8b3c1e5d0a4a539d5c2f3f0a7f1e11-lock-0000000042        go-zookeeper
//	   0f8b3c1e5d0a4a539d5c2f3f0a7f1e11__lock__0000000042      kazoo
//	\_________________ _________________/\_ _/\___ ____/
//	                  GUID             marker  sequence number
//
// The GUID finds a node again whose create was answered by a broken
// connection. The marker says what the node is for; the server appends the
// sequence number. All names of one directory share one counter, whatever
// their markers are, so numbers of different dialects compare.
//
// # Sequence numbers
//
// The server prints the parent's cversion, a signed 32-bit number, with the
// format %010d. That is ten digits from 0 to 2147483647; then the counter wraps
// to -2147483648 (a minus and ten digits) and climbs through -000000001 (a
// minus and nine digits) back to 0. Parse takes exactly these forms.
//
// Numbers are compared as serial numbers in the manner of RFC 1982: b comes
// after a if it is reached from a in fewer than 2^31 steps forward, so
// -2147483648 follows 2147483647 and 0 follows -1. That is right as long as
// the nodes that live side by side in a directory were created within 2^31
// creations of each other. No other client survives the wrap:
// Curator and kazoo compare the text of the number, go-zookeeper its signed
// value, and all three then put the newest node first. A directory which is
// shared with them should be replaced before its counter gets there.
//
// # Foreign children
//
// A child competes only if its name ends with a sequence number in exactly
// that form, directly behind a known marker. All other children are foreign and
// ignored, whatever text they contain:
//
//	lock-0000000004, _c_<GUID>-lock-0000000004   a lock's node
//	<hex>__lock__0000000004                      a node of kazoo's lock
//	lock-orders, block-7, clock-skew, lock-7     foreign
//	block-0000000004                             foreign: "lock-" is not a word of its own there
//
// Anyone who may write to the directory can forge a name. No name makes this
// package panic or fail, and a forged number does not change which of two other
// nodes came first.
//
// # Dialects
//
// A Dialect is the set of markers that compete in one recipe. Mutex, for
// example, contains the markers of Curator's mutex and of kazoo's lock: both
// are in the queue, whoever created them. Dialect.Arrange splits the children
// of a directory into the queue, in order, and the rest.
package seqnode
