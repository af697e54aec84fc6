package realzk

import (
	"context"
	"fmt"
	"net"
	"time"
)

// boundConn is a connection that is of no use once its context has ended.
type boundConn struct {
	net.Conn
	unbind func() bool
}

func dial(ctx context.Context, addr string) (*boundConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp4", addr)
	if err != nil {
		return nil, err
	}
	past := time.Unix(1, 0)
	unbind := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
	return &boundConn{Conn: conn, unbind: unbind}, nil
}

func (c *boundConn) Close() error {
	c.unbind()
	return c.Conn.Close()
}

// because adds to an error of a connection that its context is the reason.
func because(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), err)
}
