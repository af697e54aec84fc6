package zktest

import "strconv"

// Op is the opcode of a request.
type Op int32

// The opcodes of the protocol. OpConnect stands for the handshake that opens a connection, which has no opcode on the
// wire.
const (
	OpConnect              Op = -10
	OpCloseSession         Op = -11
	OpCreate               Op = 1
	OpDelete               Op = 2
	OpExists               Op = 3
	OpGetData              Op = 4
	OpSetData              Op = 5
	OpGetACL               Op = 6
	OpSetACL               Op = 7
	OpGetChildren          Op = 8
	OpSync                 Op = 9
	OpPing                 Op = 11
	OpGetChildren2         Op = 12
	OpCheck                Op = 13
	OpMulti                Op = 14
	OpCreate2              Op = 15
	OpReconfig             Op = 16
	OpCheckWatches         Op = 17
	OpRemoveWatches        Op = 18
	OpCreateContainer      Op = 19
	OpCreateTTL            Op = 21
	OpMultiRead            Op = 22
	OpAuth                 Op = 100
	OpSetWatches           Op = 101
	OpSASL                 Op = 102
	OpGetEphemerals        Op = 103
	OpGetAllChildrenNumber Op = 104
	OpSetWatches2          Op = 105
	OpAddWatch             Op = 106
	OpWhoAmI               Op = 107
)

// opDeleteContainer is what the server says to itself to remove a container. Its body is not a record.
const opDeleteContainer Op = 20

// opNames holds the names that String returns and the short ones that the four-letter words print.
var opNames = map[Op][2]string{
	OpConnect: {"connect", "SESS"}, OpCloseSession: {"closeSession", "CLOS"}, OpCreate: {"create", "CREA"},
	OpDelete: {"delete", "DELE"}, OpExists: {"exists", "EXIS"}, OpGetData: {"getData", "GETD"},
	OpSetData: {"setData", "SETD"}, OpGetACL: {"getACL", "GETA"}, OpSetACL: {"setACL", "SETA"},
	OpGetChildren: {"getChildren", "GETC"}, OpSync: {"sync", "SYNC"}, OpPing: {"ping", "PING"},
	OpGetChildren2: {"getChildren2", "GETC"}, OpCheck: {"check", "CHEC"}, OpMulti: {"multi", "MULT"},
	OpCreate2: {"create2", "CREA"}, OpReconfig: {"reconfig", "RECO"}, OpCheckWatches: {"checkWatches", "CHKW"},
	OpRemoveWatches: {"removeWatches", "REMW"}, OpCreateContainer: {"createContainer", "CREA"},
	OpCreateTTL: {"createTTL", "CREA"}, OpMultiRead: {"multiRead", "MULR"}, OpAuth: {"auth", "AUTH"},
	OpSetWatches: {"setWatches", "SETW"}, OpSASL: {"sasl", "SASL"}, OpGetEphemerals: {"getEphemerals", "GETE"},
	OpGetAllChildrenNumber: {"getAllChildrenNumber", "GETACN"}, OpSetWatches2: {"setWatches2", "STW2"},
	OpAddWatch: {"addWatch", "ADDW"}, OpWhoAmI: {"whoAmI", "WHOM"},
}

// String returns the operation's name as the protocol documents it, such as "getData".
func (o Op) String() string {
	if n, ok := opNames[o]; ok {
		return n[0]
	}
	return "op(" + strconv.Itoa(int(o)) + ")"
}

// short returns the four letters that the cons command prints.
func (o Op) short() string {
	if n, ok := opNames[o]; ok {
		return n[1]
	}
	return "NA"
}

// ErrCode is a protocol error. It is comparable: errors.Is(err, zktest.ErrNoNode) works.
type ErrCode int32

// The error codes that the server answers.
const (
	ErrSystem                  ErrCode = -1
	ErrRuntimeInconsistency    ErrCode = -2
	ErrMarshalling             ErrCode = -5
	ErrUnimplemented           ErrCode = -6
	ErrBadArguments            ErrCode = -8
	ErrNoNode                  ErrCode = -101
	ErrNoAuth                  ErrCode = -102
	ErrBadVersion              ErrCode = -103
	ErrNoChildrenForEphemerals ErrCode = -108
	ErrNodeExists              ErrCode = -110
	ErrNotEmpty                ErrCode = -111
	ErrSessionExpired          ErrCode = -112
	ErrInvalidACL              ErrCode = -114
	ErrAuthFailed              ErrCode = -115
	ErrNotReadOnly             ErrCode = -119 // from a member that serves only reads: see Config.ReadOnlyMode
	ErrEphemeralOnLocalSession ErrCode = -120 // only for AnswerWith
	ErrNoWatcher               ErrCode = -121
	ErrRequestTimeout          ErrCode = -122 // only for AnswerWith
	ErrReconfigDisabled        ErrCode = -123
	ErrSASLRequired            ErrCode = -124
	ErrQuotaExceeded           ErrCode = -125 // with Config.EnforceQuota
	ErrThrottled               ErrCode = -127 // only for AnswerWith
)

var errTexts = map[ErrCode]string{
	ErrSystem: "system error", ErrRuntimeInconsistency: "runtime inconsistency",
	ErrMarshalling: "marshalling error", ErrUnimplemented: "unimplemented", ErrBadArguments: "bad arguments",
	ErrNoNode: "no such node", ErrNoAuth: "not authorised", ErrBadVersion: "version differs",
	ErrNoChildrenForEphemerals: "an ephemeral node cannot have children", ErrNodeExists: "node exists",
	ErrNotEmpty: "node has children", ErrSessionExpired: "no such session", ErrInvalidACL: "invalid ACL",
	ErrAuthFailed: "authentication failed", ErrNoWatcher: "no such watch",
	ErrReconfigDisabled: "reconfiguration is disabled", ErrSASLRequired: "authentication with SASL is demanded",
	ErrThrottled: "the server is overloaded", ErrQuotaExceeded: "a quota would be exceeded",
	ErrNotReadOnly: "the server is read-only", ErrEphemeralOnLocalSession: "a local session cannot have ephemeral nodes",
	ErrRequestTimeout: "the request has taken too long",
}

// Error returns the code's meaning and number.
func (e ErrCode) Error() string {
	text, ok := errTexts[e]
	if !ok {
		text = "error"
	}
	return "zookeeper: " + text + " (" + strconv.Itoa(int(e)) + ")"
}

// EventType is the type of a watch event.
type EventType int32

// The types of watch events.
const (
	EventCreated         EventType = 1
	EventDeleted         EventType = 2
	EventDataChanged     EventType = 3
	EventChildrenChanged EventType = 4
)

// String returns the type's name, such as "Created".
func (t EventType) String() string {
	switch t {
	case EventCreated:
		return "Created"
	case EventDeleted:
		return "Deleted"
	case EventDataChanged:
		return "DataChanged"
	case EventChildrenChanged:
		return "ChildrenChanged"
	}
	return "event(" + strconv.Itoa(int(t)) + ")"
}

// Mode says how a node lives and how it is named; its values are the flags of a create request.
type Mode int32

// The modes of a node.
const (
	Persistent              Mode = 0
	Ephemeral               Mode = 1
	PersistentSequential    Mode = 2
	EphemeralSequential     Mode = 3
	Container               Mode = 4
	PersistentTTL           Mode = 5
	PersistentSequentialTTL Mode = 6
)

// String returns the mode's name, such as "EphemeralSequential".
func (m Mode) String() string {
	names := [...]string{"Persistent", "Ephemeral", "PersistentSequential", "EphemeralSequential", "Container",
		"PersistentTTL", "PersistentSequentialTTL"}
	if m.valid() {
		return names[m]
	}
	return "mode(" + strconv.Itoa(int(m)) + ")"
}

func (m Mode) valid() bool { return m >= Persistent && m <= PersistentSequentialTTL }

func (m Mode) ephemeral() bool { return m == Ephemeral || m == EphemeralSequential }

func (m Mode) sequential() bool {
	return m == PersistentSequential || m == EphemeralSequential || m == PersistentSequentialTTL
}

func (m Mode) ttl() bool { return m == PersistentTTL || m == PersistentSequentialTTL }

// lasting returns the mode that a node keeps once it has its name.
func (m Mode) lasting() Mode {
	switch m {
	case PersistentSequential:
		return Persistent
	case EphemeralSequential:
		return Ephemeral
	case PersistentSequentialTTL:
		return PersistentTTL
	}
	return m
}
