package jute

import "fmt"

// Record is a value with a fixed layout on the wire.
type Record interface {
	Encode(e *Encoder)
	Decode(d *Decoder)
}

// RequestHeader precedes every request but the first of a connection.
type RequestHeader struct {
	Xid int32 // chosen by the client, echoed in the reply
	Op  int32
}

// Encode appends the record.
func (r *RequestHeader) Encode(e *Encoder) {
	e.Int32(r.Xid)
	e.Int32(r.Op)
}

// Decode reads the record.
func (r *RequestHeader) Decode(d *Decoder) {
	r.Xid = d.Int32()
	r.Op = d.Int32()
}

// ReplyHeader precedes every reply but the first of a connection, and every watch event.
type ReplyHeader struct {
	Xid  int32
	Zxid int64 // last transaction that the server had applied
	Err  int32 // 0, or a negative error code; then no body follows
}

// Encode appends the record.
func (r *ReplyHeader) Encode(e *Encoder) {
	e.Int32(r.Xid)
	e.Int64(r.Zxid)
	e.Int32(r.Err)
}

// Decode reads the record.
func (r *ReplyHeader) Decode(d *Decoder) {
	r.Xid = d.Int32()
	r.Zxid = d.Int64()
	r.Err = d.Int32()
}

// ConnectRequest is the first packet that a client sends.
type ConnectRequest struct {
	ProtocolVersion int32
	LastZxidSeen    int64
	TimeOut         int32 // milliseconds
	SessionID       int64 // 0 asks for a new session
	Passwd          []byte
	ReadOnly        bool
	HasReadOnly     bool // whether the packet has the readOnly byte, which clients before 3.4 do not send
}

// Encode appends the record.
func (r *ConnectRequest) Encode(e *Encoder) {
	e.Int32(r.ProtocolVersion)
	e.Int64(r.LastZxidSeen)
	e.Int32(r.TimeOut)
	e.Int64(r.SessionID)
	e.Buffer(r.Passwd)
	if r.HasReadOnly {
		e.Bool(r.ReadOnly)
	}
}

// Decode reads the record.
func (r *ConnectRequest) Decode(d *Decoder) {
	r.ProtocolVersion = d.Int32()
	r.LastZxidSeen = d.Int64()
	r.TimeOut = d.Int32()
	r.SessionID = d.Int64()
	r.Passwd = d.Buffer()
	r.HasReadOnly = d.Remaining() > 0
	r.ReadOnly = r.HasReadOnly && d.Bool()
}

// ConnectResponse is the first packet that a server sends. SessionID 0 means that the session asked for is gone.
type ConnectResponse struct {
	ProtocolVersion int32
	TimeOut         int32 // milliseconds, as granted
	SessionID       int64
	Passwd          []byte
	ReadOnly        bool
	HasReadOnly     bool
}

// Encode appends the record.
func (r *ConnectResponse) Encode(e *Encoder) {
	e.Int32(r.ProtocolVersion)
	e.Int32(r.TimeOut)
	e.Int64(r.SessionID)
	e.Buffer(r.Passwd)
	if r.HasReadOnly {
		e.Bool(r.ReadOnly)
	}
}

// Decode reads the record.
func (r *ConnectResponse) Decode(d *Decoder) {
	r.ProtocolVersion = d.Int32()
	r.TimeOut = d.Int32()
	r.SessionID = d.Int64()
	r.Passwd = d.Buffer()
	r.HasReadOnly = d.Remaining() > 0
	r.ReadOnly = r.HasReadOnly && d.Bool()
}

// WatcherEvent is the body of a watch event.
type WatcherEvent struct {
	Type  int32
	State int32
	Path  string
}

// Encode appends the record.
func (r *WatcherEvent) Encode(e *Encoder) {
	e.Int32(r.Type)
	e.Int32(r.State)
	e.String(r.Path)
}

// Decode reads the record.
func (r *WatcherEvent) Decode(d *Decoder) {
	r.Type = d.Int32()
	r.State = d.Int32()
	r.Path = d.String()
}

// ClientInfo is one identity in the answer to whoAmI.
type ClientInfo struct {
	Scheme string
	User   string
}

// ACL is one entry of an access control list.
type ACL struct {
	Perms  int32
	Scheme string
	ID     string
	NullID bool // the id is null, as in kazoo's CREATOR_ALL_ACL
}

// String is the entry as in {31 world anyone}.
func (r ACL) String() string {
	if r.NullID {
		return fmt.Sprintf("{%d %s null}", r.Perms, r.Scheme)
	}
	return fmt.Sprintf("{%d %s %s}", r.Perms, r.Scheme, r.ID)
}

// Encode appends the record.
func (r *ACL) Encode(e *Encoder) {
	e.Int32(r.Perms)
	e.String(r.Scheme)
	if r.NullID {
		e.Buffer(nil)
		return
	}
	e.String(r.ID)
}

// Decode reads the record.
func (r *ACL) Decode(d *Decoder) {
	r.Perms = d.Int32()
	r.Scheme = d.String()
	id := d.Buffer()
	r.ID, r.NullID = string(id), id == nil && d.Err() == nil
}

// Stat describes a node.
type Stat struct {
	Czxid          int64
	Mzxid          int64
	Ctime          int64 // milliseconds since 1970
	Mtime          int64
	Version        int32
	Cversion       int32
	Aversion       int32
	EphemeralOwner int64
	DataLength     int32
	NumChildren    int32
	Pzxid          int64
}

// Encode appends the record.
func (r *Stat) Encode(e *Encoder) {
	e.Int64(r.Czxid)
	e.Int64(r.Mzxid)
	e.Int64(r.Ctime)
	e.Int64(r.Mtime)
	e.Int32(r.Version)
	e.Int32(r.Cversion)
	e.Int32(r.Aversion)
	e.Int64(r.EphemeralOwner)
	e.Int32(r.DataLength)
	e.Int32(r.NumChildren)
	e.Int64(r.Pzxid)
}

// Decode reads the record.
func (r *Stat) Decode(d *Decoder) {
	r.Czxid = d.Int64()
	r.Mzxid = d.Int64()
	r.Ctime = d.Int64()
	r.Mtime = d.Int64()
	r.Version = d.Int32()
	r.Cversion = d.Int32()
	r.Aversion = d.Int32()
	r.EphemeralOwner = d.Int64()
	r.DataLength = d.Int32()
	r.NumChildren = d.Int32()
	r.Pzxid = d.Int64()
}
