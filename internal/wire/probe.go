package wire

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/docent-zk/docent/internal/jute"
)

// Probe finds out whether the server on conn serves writes. It asks for a new session, without accepting a
// read-only server, and closes it again at once: only a server that has a leader starts one. conn is
// closed when Probe returns. The error says why the server did not start a session, or why ctx has ended.
func Probe(ctx context.Context, conn net.Conn, timeout time.Duration) error {
	defer abort(conn)
	defer context.AfterFunc(ctx, func() { abort(conn) })()
	deliver(conn)
	var ask jute.Encoder
	mark := ask.BeginFrame()
	(&jute.ConnectRequest{TimeOut: int32(timeout / time.Millisecond), Passwd: make([]byte, 16), HasReadOnly: true}).Encode(&ask)
	ask.EndFrame(mark)
	ask.Raw(closeFrame)
	if _, err := conn.Write(ask.Bytes()); err != nil {
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
