package wire

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Probe finds out whether the server on conn serves writes. It asks for a new session, without accepting a
// read-only server, and closes it again at once: only a server that has a leader starts one. conn is
// closed when Probe returns. The error says why the server did not start a session, or why ctx has ended.
func Probe(ctx context.Context, conn net.Conn, timeout time.Duration) error {
	defer abort(conn)
	defer context.AfterFunc(ctx, func() { abort(conn) })()
	deliver(conn)
	ask := make([]byte, prefixLen+connectRequestLen+16+1, prefixLen+connectRequestLen+16+1+len(closeFrame))
	putInt32(ask, 0, int32(len(ask)-prefixLen))
	putInt32(ask, prefixLen+12, int32(timeout/time.Millisecond))
	putInt32(ask, prefixLen+24, 16) // the length of the password
	if _, err := conn.Write(append(ask, closeFrame...)); err != nil {
		return probeError(ctx, err)
	}
	var in frameReader
	frame, err := in.next(conn, replyHeaderLen, maxHandshake)
	if err == nil {
		err = shortAnswer(frame[prefixLen:])
	}
	if err != nil {
		return probeError(ctx, err)
	}
	answer, err := parseConnectAnswer(frame[prefixLen:])
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	case answer.readOnly:
		return ErrReadOnly
	case answer.grants() == 0:
		return ErrRefused
	}
	awaitClose(conn, &in)
	return nil
}

// probeError is why a probe has failed.
func probeError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("wire: no session was started: %w", err)
}
