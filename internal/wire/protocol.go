package wire

import "encoding/binary"

// Opcodes that are treated specially, or whose replies have a body.
const (
	opCreate        = 1
	opDelete        = 2
	opExists        = 3
	opGetData       = 4
	opSetData       = 5
	opGetACL        = 6
	opSetACL        = 7
	opGetChildren   = 8
	opSync          = 9
	opPing          = 11
	opGetChildren2  = 12
	opCheck         = 13
	opMulti         = 14
	opCreate2       = 15
	opReconfig      = 16
	opRemoveWatches = 18
	opContainer     = 19
	opTTL           = 21
	opAuth          = 100
	opSetWatches    = 101
	opAddWatch      = 106
	opError         = -1 // the type of a failed result inside a multi
)

// Transaction ids with a meaning of their own; the driver's are positive.
const (
	xidEvent = -1
	xidPing  = -2
	xidAuth  = -4
)

// Error codes that are treated specially.
const (
	codeUnimplemented  = -6
	codeNoNode         = -101
	codeSessionExpired = -112
	codeSessionMoved   = -118
	codeSASLRequired   = -124
	codeThrottled      = -127
)

// Lengths in bytes, without the length prefix of the frame unless noted.
const (
	prefixLen         = 4
	requestHeaderLen  = 8  // xid, opcode
	replyHeaderLen    = 16 // xid, zxid, error
	multiHeaderLen    = 9  // opcode, done, error
	connectRequestLen = 28 // with an empty password
	connectAnswerLen  = 20 // with an empty password
	statLen           = 68
	maxHandshake      = 1 << 10
	// maxPassword keeps the driver's next ConnectRequest within the 256 bytes
	// that it builds it in. ZooKeeper's own passwords have 16.
	maxPassword = 128
)

// Stat is the metadata of a node.
type Stat struct {
	Czxid          int64 // transaction that created the node
	Mzxid          int64 // transaction that last set its data
	Ctime          int64 // time of creation, milliseconds since 1970
	Mtime          int64 // time of the last change of the data, likewise
	Version        int32 // changes of the data
	Cversion       int32 // changes of the children
	Aversion       int32 // changes of the ACL
	EphemeralOwner int64 // session that owns the node, 0 if it is not ephemeral
	DataLength     int32 // bytes of data
	NumChildren    int32 // children
	Pzxid          int64 // transaction that last changed the children
}

func int32At(b []byte, at int) int32 { return int32(binary.BigEndian.Uint32(b[at:])) }
func int64At(b []byte, at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }

// parseStat reads the statLen bytes of a Stat.
func parseStat(b []byte) Stat {
	return Stat{
		Czxid: int64At(b, 0), Mzxid: int64At(b, 8),
		Ctime: int64At(b, 16), Mtime: int64At(b, 24),
		Version: int32At(b, 32), Cversion: int32At(b, 36), Aversion: int32At(b, 40),
		EphemeralOwner: int64At(b, 44),
		DataLength:     int32At(b, 52), NumChildren: int32At(b, 56),
		Pzxid: int64At(b, 60),
	}
}

// replyHeader starts every frame from the server after the handshake.
type replyHeader struct {
	xid  int32
	zxid int64
	code int32
}

func parseReplyHeader(b []byte) replyHeader {
	return replyHeader{xid: int32At(b, 0), zxid: int64At(b, 4), code: int32At(b, 12)}
}

// requestPath returns the path of a request frame, prefix included, or nil if
// requests of that kind do not start with one. For a multi it is the path of its
// first operation. It aliases the frame.
func requestPath(op int32, frame []byte) []byte {
	at := prefixLen + requestHeaderLen
	if op == opMulti && len(frame) >= at+multiHeaderLen {
		op, at = int32At(frame, at), at+multiHeaderLen
	}
	if !startsWithPath(op) || len(frame) < at+4 {
		return nil
	}
	n := int(int32At(frame, at))
	if n < 0 || n > len(frame)-at-4 {
		return nil
	}
	return frame[at+4 : at+4+n : at+4+n]
}

func startsWithPath(op int32) bool {
	switch op {
	case opCreate, opDelete, opExists, opGetData, opSetData, opGetACL, opSetACL, opGetChildren,
		opSync, opGetChildren2, opCheck, opCreate2, opContainer, opTTL:
		return true
	}
	return false
}
