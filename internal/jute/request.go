package jute

import "errors"

// CreateRequest is the body of create, create2 and createContainer.
type CreateRequest struct {
	Path  string
	Data  []byte
	ACL   []ACL
	Flags int32
}

// Encode appends the record.
func (r *CreateRequest) Encode(e *Encoder) {
	e.String(r.Path)
	e.Buffer(r.Data)
	e.ACLs(r.ACL)
	e.Int32(r.Flags)
}

// Decode reads the record.
func (r *CreateRequest) Decode(d *Decoder) {
	r.Path = d.String()
	r.Data = d.Buffer()
	r.ACL = d.ACLs()
	r.Flags = d.Int32()
}

// CreateTTLRequest is the body of createTTL.
type CreateTTLRequest struct {
	CreateRequest
	TTL int64 // milliseconds
}

// Encode appends the record.
func (r *CreateTTLRequest) Encode(e *Encoder) {
	r.CreateRequest.Encode(e)
	e.Int64(r.TTL)
}

// Decode reads the record.
func (r *CreateTTLRequest) Decode(d *Decoder) {
	r.CreateRequest.Decode(d)
	r.TTL = d.Int64()
}

// PathRequest is the body of sync, getACL, getEphemerals and getAllChildrenNumber.
type PathRequest struct {
	Path string
}

// Encode appends the record.
func (r *PathRequest) Encode(e *Encoder) {
	e.String(r.Path)
}

// Decode reads the record.
func (r *PathRequest) Decode(d *Decoder) {
	r.Path = d.String()
}

// PathWatchRequest is the body of exists, getData, getChildren and getChildren2.
type PathWatchRequest struct {
	Path  string
	Watch bool
}

// Encode appends the record.
func (r *PathWatchRequest) Encode(e *Encoder) {
	e.String(r.Path)
	e.Bool(r.Watch)
}

// Decode reads the record.
func (r *PathWatchRequest) Decode(d *Decoder) {
	r.Path = d.String()
	r.Watch = d.Bool()
}

// PathInt32Request is the body of delete and check (a version), of checkWatches and removeWatches (a watcher type) and
// of addWatch (a mode).
type PathInt32Request struct {
	Path  string
	Value int32
}

// Encode appends the record.
func (r *PathInt32Request) Encode(e *Encoder) {
	e.String(r.Path)
	e.Int32(r.Value)
}

// Decode reads the record.
func (r *PathInt32Request) Decode(d *Decoder) {
	r.Path = d.String()
	r.Value = d.Int32()
}

// SetDataRequest is the body of setData.
type SetDataRequest struct {
	Path    string
	Data    []byte
	Version int32
}

// Encode appends the record.
func (r *SetDataRequest) Encode(e *Encoder) {
	e.String(r.Path)
	e.Buffer(r.Data)
	e.Int32(r.Version)
}

// Decode reads the record.
func (r *SetDataRequest) Decode(d *Decoder) {
	r.Path = d.String()
	r.Data = d.Buffer()
	r.Version = d.Int32()
}

// SetACLRequest is the body of setACL.
type SetACLRequest struct {
	Path    string
	ACL     []ACL
	Version int32
}

// Encode appends the record.
func (r *SetACLRequest) Encode(e *Encoder) {
	e.String(r.Path)
	e.ACLs(r.ACL)
	e.Int32(r.Version)
}

// Decode reads the record.
func (r *SetACLRequest) Decode(d *Decoder) {
	r.Path = d.String()
	r.ACL = d.ACLs()
	r.Version = d.Int32()
}

// AuthRequest is the body of auth.
type AuthRequest struct {
	Type   int32
	Scheme string
	Auth   []byte
}

// Encode appends the record.
func (r *AuthRequest) Encode(e *Encoder) {
	e.Int32(r.Type)
	e.String(r.Scheme)
	e.Buffer(r.Auth)
}

// Decode reads the record.
func (r *AuthRequest) Decode(d *Decoder) {
	r.Type = d.Int32()
	r.Scheme = d.String()
	r.Auth = d.Buffer()
}

// SetWatchesRequest is the body of setWatches.
type SetWatchesRequest struct {
	RelativeZxid int64
	Data         []string
	Exist        []string
	Child        []string
}

// Encode appends the record.
func (r *SetWatchesRequest) Encode(e *Encoder) {
	e.Int64(r.RelativeZxid)
	e.Strings(r.Data)
	e.Strings(r.Exist)
	e.Strings(r.Child)
}

// Decode reads the record.
func (r *SetWatchesRequest) Decode(d *Decoder) {
	r.RelativeZxid = d.Int64()
	r.Data = d.Strings()
	r.Exist = d.Strings()
	r.Child = d.Strings()
}

// SetWatches2Request is the body of setWatches2.
type SetWatches2Request struct {
	SetWatchesRequest
	Persistent []string
	Recursive  []string
}

// Encode appends the record.
func (r *SetWatches2Request) Encode(e *Encoder) {
	r.SetWatchesRequest.Encode(e)
	e.Strings(r.Persistent)
	e.Strings(r.Recursive)
}

// Decode reads the record.
func (r *SetWatches2Request) Decode(d *Decoder) {
	r.SetWatchesRequest.Decode(d)
	r.Persistent = d.Strings()
	r.Recursive = d.Strings()
}

// MultiHeader precedes every operation of a multi, in the request and in the reply, and ends both.
type MultiHeader struct {
	Type int32 // the operation; -1 at the end and for an operation that failed
	Done bool
	Err  int32
}

// EndOfMulti returns the header that ends a multi.
func EndOfMulti() *MultiHeader {
	return &MultiHeader{Type: -1, Done: true, Err: -1}
}

// Encode appends the record.
func (r *MultiHeader) Encode(e *Encoder) {
	e.Int32(r.Type)
	e.Bool(r.Done)
	e.Int32(r.Err)
}

// Decode reads the record.
func (r *MultiHeader) Decode(d *Decoder) {
	r.Type = d.Int32()
	r.Done = d.Bool()
	r.Err = d.Int32()
}

// MultiRequest is the body of multi and multiRead. It is only ever encoded.
type MultiRequest struct {
	Ops []MultiOp
}

// MultiOp is one operation of a multi or a multiRead.
type MultiOp struct {
	Type int32
	Body Record
}

// Encode appends the record.
func (r *MultiRequest) Encode(e *Encoder) {
	for _, op := range r.Ops {
		(&MultiHeader{Type: op.Type, Err: -1}).Encode(e)
		op.Body.Encode(e)
	}
	EndOfMulti().Encode(e)
}

// MultiResult is the result of one operation of a multi.
type MultiResult struct {
	Err  int32  // 0, or an error code
	Path string // of a created node
	Stat *Stat  // of a node that was set; of a created one too, if the server says so
}

// ErrMultiResult is the error of a Decoder that met a result of a type that it does not know.
var ErrMultiResult = errors.New("jute: unknown type of a result")

// MultiResults reads the body of the reply to a multi of n operations. It fails if there are more results than that.
func (d *Decoder) MultiResults(n int) []MultiResult { return results(d, n, d.multiResult) }

// results reads up to n results, each behind a header with its type, and the header that ends them. It fails if there are more.
func results[T any](d *Decoder, n int, read func(kind int32) T) (all []T) {
	for d.err == nil {
		var h MultiHeader
		h.Decode(d)
		if h.Done || d.err != nil {
			break
		}
		if len(all) == n {
			d.fail(ErrMultiResult)
			break
		}
		if all == nil {
			all = make([]T, 0, n)
		}
		all = append(all, read(h.Type))
	}
	return all
}

func (d *Decoder) multiResult(kind int32) (r MultiResult) {
	switch kind {
	case -1:
		r.Err = d.Int32()
	case OpCreate:
		r.Path = d.String()
	case OpCreate2, OpCreateContainer, OpCreateTTL:
		r.Path, r.Stat = d.String(), new(Stat)
		r.Stat.Decode(d)
	case OpSetData:
		r.Stat = new(Stat)
		r.Stat.Decode(d)
	case OpDelete, OpCheck:
	default:
		d.fail(ErrMultiResult)
	}
	return r
}
