package realzk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// ErrNoSession is the error for a session that the server does not have (any
// more), or whose password is another one.
var ErrNoSession = errors.New("the server has no such session")

const (
	opCreate       int32 = 1
	opCloseSession int32 = -11

	// maxReply bounds what is read from a server in one frame.
	maxReply = 1 << 16
	// rawTimeout is the session timeout of connections made here.
	rawTimeout = 10 * time.Second
	// holdTimeout is that of sessions that are held.
	holdTimeout = time.Minute
)

// ExpireSession ends a session on purpose: a second connection takes it over
// with the same id and password and closes it. Its ephemeral nodes are deleted
// before ExpireSession returns, and its owner is told "expired" when it
// connects again, as if the server had not heard of it for too long. A nil
// password stands for SessionPassword(id). It waits until ctx ends, but at most
// half a minute.
func ExpireSession(ctx context.Context, addr string, id int64, password []byte) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	if password == nil {
		password = SessionPassword(id)
	}
	poll := time.NewTicker(pollInterval)
	defer poll.Stop()
	for first := true; ; first = false {
		err := closeSession(ctx, addr, id, password)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrNoSession) && !first:
			return nil // the request arrived, only the reply did not
		case !hungUp(err):
			return fmt.Errorf("realzk: expiring session 0x%x on %s: %w", id, addr, err)
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("realzk: expiring session 0x%x on %s: %w", id, addr, because(ctx, err))
		}
	}
}

// hungUp reports whether the server ended the connection without an answer, as
// it does when the owner takes its session back before the request was read.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// ExpireSession ends a session on this server, or on its ensemble.
func (s *Server) ExpireSession(ctx context.Context, id int64) error {
	return ExpireSession(ctx, s.Addr(), id, nil)
}

// SessionPassword returns the password that a ZooKeeper server gives to the
// session with this id. Servers compute it from the id and a constant by Java's
// java.util.Random (ZooKeeperServer.generatePasswd), which is a linear
// congruential generator. Clients do not show the password; this saves tests
// from having to see it.
func SessionPassword(id int64) []byte {
	const (
		secret     = 0xB3415C00
		multiplier = 0x5DEECE66D
		mask       = 1<<48 - 1
	)
	state := (uint64(id) ^ secret ^ multiplier) & mask
	password := make([]byte, 0, 16)
	for len(password) < cap(password) {
		state = (state*multiplier + 0xB) & mask
		password = binary.LittleEndian.AppendUint32(password, uint32(state>>16))
	}
	return password
}

// HoldSession takes a session over and lets go of it, so that the server keeps it
// for a minute more, as far as MaxSessionTimeout allows: long enough for a test of
// an owner who counts on its end, and has been cut off before. An owner who is not
// would take it back, with the timeout that it had.
func (s *Server) HoldSession(ctx context.Context, id int64) error {
	conn, err := dial(ctx, s.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(connectFrame(id, SessionPassword(id), holdTimeout)); err != nil {
		return because(ctx, err)
	}
	granted, err := readConnectReply(conn)
	if err == nil && granted != id {
		err = ErrNoSession
	}
	if err != nil {
		return fmt.Errorf("realzk: holding session 0x%x on %s: %w", id, s.Addr(), because(ctx, err))
	}
	return nil
}

// closeSession takes a session over and closes it.
func closeSession(ctx context.Context, addr string, id int64, password []byte) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	// Both frames go out together, so that the owner has as little time as
	// possible to take its session back in between.
	frames := append(connectFrame(id, password, rawTimeout), requestFrame(1, opCloseSession, nil)...)
	if _, err := conn.Write(frames); err != nil {
		return because(ctx, err)
	}
	granted, err := readConnectReply(conn)
	if err != nil {
		return because(ctx, err)
	}
	if granted != id {
		return ErrNoSession
	}
	return because(ctx, readReply(conn))
}

// createNode creates a persistent empty node that everybody may use, in a
// session of its own.
func createNode(ctx context.Context, addr, path string) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	frames := append(connectFrame(0, make([]byte, 16), rawTimeout), requestFrame(1, opCreate, createBody(path))...)
	if _, err := conn.Write(append(frames, requestFrame(2, opCloseSession, nil)...)); err != nil {
		return because(ctx, err)
	}
	if _, err := readConnectReply(conn); err != nil {
		return because(ctx, err)
	}
	return because(ctx, readReply(conn))
}

func connectFrame(id int64, password []byte, timeout time.Duration) []byte {
	body := appendInt32(nil, 0)                                   // protocol version
	body = binary.BigEndian.AppendUint64(body, 0)                 // last zxid seen
	body = appendInt32(body, int32(timeout.Milliseconds()))       // session timeout
	body = binary.BigEndian.AppendUint64(body, uint64(id))        // 0 for a new session
	return frame(append(appendBuffer(body, string(password)), 0)) // not read-only
}

func requestFrame(xid, op int32, body []byte) []byte {
	return frame(append(appendInt32(appendInt32(nil, xid), op), body...))
}

func createBody(path string) []byte {
	const allPermissions, persistent = 31, 0
	body := appendBuffer(nil, path)
	body = appendBuffer(body, "") // data
	body = appendInt32(body, 1)   // one entry in the ACL
	body = appendInt32(body, allPermissions)
	body = appendBuffer(appendBuffer(body, "world"), "anyone")
	return appendInt32(body, persistent)
}

// readConnectReply returns the id of the session, 0 if it was refused.
func readConnectReply(conn io.Reader) (int64, error) {
	reply, err := readFrame(conn, 16)
	if err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(reply[8:])), nil
}

// readReply reads one reply and returns the error in it.
func readReply(conn io.Reader) error {
	reply, err := readFrame(conn, 16)
	if err != nil {
		return err
	}
	if code := int32(binary.BigEndian.Uint32(reply[12:])); code != 0 {
		return fmt.Errorf("the server answers with error code %d", code)
	}
	return nil
}

func readFrame(conn io.Reader, atLeast uint32) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < atLeast || size > maxReply {
		return nil, fmt.Errorf("the server sends a frame of %d bytes", size)
	}
	body := make([]byte, size)
	_, err := io.ReadFull(conn, body)
	return body, err
}

func frame(body []byte) []byte { return appendBuffer(nil, string(body)) }

func appendInt32(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }

func appendBuffer(b []byte, v string) []byte { return append(appendInt32(b, int32(len(v))), v...) }
