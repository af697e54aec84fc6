package zktest_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/internal/jute"
	"github.com/docent-zk/docent/zktest"
)

// raw is a client that sends frames and writes down what comes back, as lines that are the same on every server that
// behaves the same: zxids count from the start of the script and sessions have names.
type raw struct {
	s      *script
	name   string
	conn   net.Conn
	in     *bufio.Reader
	xid    int32
	id     int64
	passwd []byte
	dead   bool
	quiet  bool // do not ping it to collect events
}

// body is what follows the header of a request.
type body interface{ Encode(*jute.Encoder) }

// bytesBody is a body that is written as it is.
type bytesBody []byte

func (b bytesBody) Encode(e *jute.Encoder) { e.Raw(b) }

// joined is a body of several parts.
type joined []body

func (j joined) Encode(e *jute.Encoder) {
	for _, b := range j {
		b.Encode(e)
	}
}

// number is a body of one int.
type number int32

func (n number) Encode(e *jute.Encoder) { e.Int32(int32(n)) }

// frame returns a packet with its length.
func frame(parts ...body) []byte {
	var e jute.Encoder
	mark := e.BeginFrame()
	joined(parts).Encode(&e)
	e.EndFrame(mark)
	return e.Bytes()
}

func (r *raw) printf(format string, args ...any) {
	r.s.printf(r.name+" "+format, args...)
}

func (r *raw) send(b []byte) {
	_ = r.conn.SetWriteDeadline(time.Now().Add(r.s.patience))
	if _, err := r.conn.Write(b); err != nil && !r.dead {
		r.printf("cannot send")
	}
}

// read returns the next packet, or nil at the end of the stream.
func (r *raw) read() []byte {
	_ = r.conn.SetReadDeadline(time.Now().Add(r.s.patience))
	var length [4]byte
	if _, err := io.ReadFull(r.in, length[:]); err != nil {
		return r.end(err)
	}
	b := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(r.in, b); err != nil {
		return r.end(err)
	}
	return b
}

func (r *raw) end(err error) []byte {
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		r.printf("hears nothing")
		return nil
	}
	r.dead = true
	_ = r.conn.Close()
	r.printf("is closed")
	return nil
}

// readReply reads packets up to a reply, printing the events before it.
func (r *raw) readReply() (h jute.ReplyHeader, d *jute.Decoder, ok bool) {
	for {
		b := r.read()
		if b == nil {
			return h, nil, false
		}
		d = jute.NewDecoder(b)
		h.Decode(d)
		if h.Xid != -1 {
			return h, d, true
		}
		var ev jute.WatcherEvent
		ev.Decode(d)
		r.printf("event %v %s state=%d zxid=%d%s", zktest.EventType(ev.Type), ev.Path, ev.State, h.Zxid, leftover(d))
	}
}

func leftover(d *jute.Decoder) string {
	switch {
	case d.Err() != nil:
		return " (cut short)"
	case d.Remaining() > 0:
		return fmt.Sprintf(" (%d bytes more)", d.Remaining())
	}
	return ""
}

// show turns the body of a successful reply into text.
type show func(r *raw, d *jute.Decoder) string

// call sends a request and prints the reply. Then it collects the events that the other clients have got.
func (r *raw) call(op zktest.Op, what string, b body, result show) {
	r.xid++
	r.callXid(r.xid, op, what, b, result)
}

func (r *raw) callXid(xid int32, op zktest.Op, what string, b body, result show) {
	if r.dead {
		return
	}
	r.send(frame(&jute.RequestHeader{Xid: xid, Op: int32(op)}, b))
	r.printReply(xid, fmt.Sprintf("%v %s", op, what), result)
	r.s.settle(r)
}

// printReply prints the reply to a request.
func (r *raw) printReply(xid int32, what string, result show) {
	h, d, ok := r.readReply()
	if !ok {
		r.printf("%s: no reply", what)
		return
	}
	line := fmt.Sprintf("%s: zxid=%s", what, r.s.zxid(h.Zxid))
	if h.Xid != xid {
		line += fmt.Sprintf(" xid=%d", h.Xid)
	}
	if h.Err != 0 {
		line += fmt.Sprintf(" err=%d", h.Err)
	} else if result != nil {
		line += " " + result(r, d)
	}
	r.printf("%s%s", line, leftover(d))
}

func showPath(_ *raw, d *jute.Decoder) string { return d.String() }

func showData(_ *raw, d *jute.Decoder) string {
	b := d.Buffer()
	if b == nil {
		return "null"
	}
	return fmt.Sprintf("%q", b)
}

// showSome says no more than that there is a body: what is in it depends on what was on the server before.
func showSome(_ *raw, d *jute.Decoder) string {
	if d.Remaining() == 0 {
		return "nothing"
	}
	for d.Remaining() > 0 {
		d.Bool()
	}
	return "something"
}

func showInt(_ *raw, d *jute.Decoder) string { return fmt.Sprint(d.Int32()) }

func showList(_ *raw, d *jute.Decoder) string {
	list := d.Strings()
	slices.Sort(list)
	return "[" + strings.Join(list, " ") + "]"
}

func showACL(_ *raw, d *jute.Decoder) string {
	var list []string
	for _, a := range d.ACLs() {
		list = append(list, fmt.Sprintf("%s:%s:%d", a.Scheme, a.ID, a.Perms))
	}
	return "[" + strings.Join(list, " ") + "]"
}

func showStat(r *raw, d *jute.Decoder) string {
	var st jute.Stat
	st.Decode(d)
	moment := func(ms int64) string {
		if ms != 0 && time.Since(time.UnixMilli(ms)).Abs() < time.Hour {
			return "now"
		}
		return fmt.Sprint(ms)
	}
	z := r.s.zxid
	order := ""
	if st.Mtime < st.Ctime {
		order = " mtime<ctime"
	}
	return fmt.Sprintf("{c=%s m=%s p=%s ct=%s mt=%s%s v=%d cv=%d av=%d owner=%s len=%d kids=%d}", z(st.Czxid), z(st.Mzxid),
		z(st.Pzxid), moment(st.Ctime), moment(st.Mtime), order, st.Version, st.Cversion, st.Aversion,
		r.s.sessionName(st.EphemeralOwner), st.DataLength, st.NumChildren)
}

func both(first, second show) show {
	return func(r *raw, d *jute.Decoder) string { return first(r, d) + " " + second(r, d) }
}

// showMulti prints the results of a multi or multiRead.
func showMulti(r *raw, d *jute.Decoder) string {
	var parts []string
	for {
		var h jute.MultiHeader
		h.Decode(d)
		if h.Done || d.Err() != nil {
			return fmt.Sprintf("%v end=%d,%d", parts, h.Type, h.Err)
		}
		part := fmt.Sprintf("%d/%d", h.Type, h.Err)
		switch zktest.Op(h.Type) {
		case -1:
			part += fmt.Sprintf(" err=%d", d.Int32())
		case zktest.OpCreate:
			part += " " + d.String()
		case zktest.OpCreate2:
			part += " " + both(showPath, showStat)(r, d)
		case zktest.OpSetData:
			part += " " + showStat(r, d)
		case zktest.OpGetData:
			part += " " + both(showData, showStat)(r, d)
		case zktest.OpGetChildren:
			part += " " + showList(r, d)
		}
		parts = append(parts, part)
	}
}

// The requests that scripts use most.

func acl(perms int32, scheme, id string) jute.ACL {
	return jute.ACL{Perms: perms, Scheme: scheme, ID: id}
}

var anyone = []jute.ACL{acl(31, "world", "anyone")}

func creating(path, data string, flags int32) *jute.CreateRequest {
	return &jute.CreateRequest{Path: path, Data: []byte(data), ACL: anyone, Flags: flags}
}

func (r *raw) create(path, data string, flags int32) {
	r.call(zktest.OpCreate2, fmt.Sprintf("%s %q %d", path, data, flags), creating(path, data, flags), both(showPath, showStat))
}

func (r *raw) createACL(path string, list ...jute.ACL) {
	r.call(zktest.OpCreate, fmt.Sprintf("%s %v", path, list), &jute.CreateRequest{Path: path, ACL: list}, showPath)
}

func (r *raw) del(path string, version int32) {
	r.call(zktest.OpDelete, fmt.Sprintf("%s v=%d", path, version), &jute.PathInt32Request{Path: path, Value: version}, nil)
}

func (r *raw) set(path, data string, version int32) {
	r.call(zktest.OpSetData, fmt.Sprintf("%s %q v=%d", path, data, version),
		&jute.SetDataRequest{Path: path, Data: []byte(data), Version: version}, showStat)
}

func (r *raw) pathWatch(op zktest.Op, path string, watch bool, result show) {
	what := path
	if watch {
		what += " watch"
	}
	r.call(op, what, &jute.PathWatchRequest{Path: path, Watch: watch}, result)
}

func (r *raw) exists(path string, watch bool) { r.pathWatch(zktest.OpExists, path, watch, showStat) }

func (r *raw) get(path string, watch bool) {
	r.pathWatch(zktest.OpGetData, path, watch, both(showData, showStat))
}

func (r *raw) children(path string, watch bool) {
	r.pathWatch(zktest.OpGetChildren2, path, watch, both(showList, showStat))
}

func (r *raw) auth(scheme, credential string) {
	if !r.dead {
		r.callXid(-4, zktest.OpAuth, scheme+" "+credential, &jute.AuthRequest{Scheme: scheme, Auth: []byte(credential)}, nil)
	}
}

func (r *raw) addWatch(path string, mode int32) {
	r.call(zktest.OpAddWatch, fmt.Sprintf("%s mode=%d", path, mode), &jute.PathInt32Request{Path: path, Value: mode}, showInt)
}

func (r *raw) watches(op zktest.Op, path string, kind int32) {
	r.call(op, fmt.Sprintf("%s type=%d", path, kind), &jute.PathInt32Request{Path: path, Value: kind}, nil)
}

// multiItem is one operation of a multi.
func multiItem(op zktest.Op, b body) body {
	return joined{&jute.MultiHeader{Type: int32(op), Err: -1}, b}
}

func (r *raw) multi(op zktest.Op, what string, items ...body) {
	r.call(op, what, joined{joined(items), jute.EndOfMulti()}, showMulti)
}

func (r *raw) close() {
	r.call(zktest.OpCloseSession, "", joined{}, nil)
	if !r.dead {
		r.read()
	}
}
