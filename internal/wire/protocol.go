package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/docent-zk/docent/internal/jute"
)

// Opcodes that are treated specially, or whose replies have a body.
const (
	opCreate        = jute.OpCreate
	opDelete        = jute.OpDelete
	opExists        = jute.OpExists
	opGetData       = jute.OpGetData
	opSetData       = jute.OpSetData
	opGetACL        = jute.OpGetACL
	opSetACL        = jute.OpSetACL
	opGetChildren   = jute.OpGetChildren
	opSync          = jute.OpSync
	opPing          = jute.OpPing
	opGetChildren2  = jute.OpGetChildren2
	opMulti         = jute.OpMulti
	opCreate2       = jute.OpCreate2
	opRemoveWatches = jute.OpRemoveWatches
	opContainer     = jute.OpCreateContainer
	opTTL           = jute.OpCreateTTL
	opMultiRead     = jute.OpMultiRead
	opClose         = jute.OpCloseSession
	opAuth          = jute.OpAuth
	opSASL          = jute.OpSASL
	opSetWatches    = jute.OpSetWatches
	opSetWatches2   = jute.OpSetWatches2
	opAddWatch      = jute.OpAddWatch
)

// Transaction ids with a meaning of their own; the driver's are positive.
const (
	xidEvent = -1
	xidPing  = -2
	xidAuth  = -4
)

// Error codes that are treated specially.
const (
	codeNoNode         = -101
	codeSessionExpired = -112
	codeSessionMoved   = -118
	codeNotReadOnly    = -119
	codeSASLRequired   = -124
)

// Lengths in bytes, without the length prefix of the frame unless noted.
const (
	prefixLen         = 4
	requestHeaderLen  = 8  // xid, opcode
	replyHeaderLen    = 16 // xid, zxid, error
	connectRequestLen = 28 // with an empty password
	connectAnswerLen  = 20 // with an empty password
	statLen           = 68
	maxHandshake      = 1 << 10
	// maxPassword keeps the driver's next ConnectRequest within the 256 bytes
	// that it builds it in. ZooKeeper's own passwords have 16.
	maxPassword = 128
)

func int32At(b []byte, at int) int32 { return int32(binary.BigEndian.Uint32(b[at:])) }
func int64At(b []byte, at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }

// replyHeader starts every frame from the server after the handshake.
type replyHeader struct {
	xid  int32
	zxid int64
	code int32
}

func parseReplyHeader(b []byte) replyHeader {
	return replyHeader{xid: int32At(b, 0), zxid: int64At(b, 4), code: int32At(b, 12)}
}

func putInt32(b []byte, at int, v int32) { binary.BigEndian.PutUint32(b[at:], uint32(v)) }

// opName is what an opcode is called in errors.
func opName(op int32) string {
	if name, ok := opNames[op]; ok {
		return name
	}
	return fmt.Sprintf("operation %d", op)
}

var opNames = map[int32]string{
	opCreate: "create", opDelete: "delete", opExists: "exists", opGetData: "getData", opSetData: "setData", opGetACL: "getACL",
	opSetACL: "setACL", opGetChildren: "getChildren", opSync: "sync", opPing: "ping", opGetChildren2: "getChildren2",
	opMulti: "multi", opCreate2: "create2", opRemoveWatches: "removeWatches", opContainer: "createContainer", opTTL: "createTTL",
	opMultiRead: "multiRead",
	opAuth:      "auth", opSASL: "sasl", opSetWatches: "setWatches", opSetWatches2: "setWatches2", opAddWatch: "addWatch",
	jute.OpWhoAmI: "whoAmI", opClose: "closeSession",
}
