package kerberos

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/messages"
)

const (
	// maxReply bounds an answer of a KDC, in bytes.
	maxReply = 1 << 20
	// kdcLimit bounds how long one of several KDCs is waited for.
	kdcLimit = 3 * time.Second
	// conversationLimit bounds an exchange with a realm's KDCs whose caller sets no bound.
	conversationLimit = 30 * time.Second
)

// dialer connects to a KDC, as net.Dialer does.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// network sends messages to the KDCs of realms.
type network struct {
	settings *settings
	dial     dialer
	resolver resolver
	answered *answered
}

// answered is which KDC of each realm has answered last. It is asked first the next time.
type answered struct {
	mu   sync.Mutex
	addr map[string]string // by realm
}

func (a *answered) note(realm, addr string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.addr == nil {
		a.addr = make(map[string]string)
	}
	a.addr[realm] = addr
}

// first puts the KDC that has answered last in front of the others.
func (a *answered) first(realm string, addrs []string) []string {
	a.mu.Lock()
	last := a.addr[realm]
	a.mu.Unlock()
	i := slices.Index(addrs, last)
	if i < 1 {
		return addrs
	}
	return append([]string{last}, slices.Delete(slices.Clone(addrs), i, i+1)...)
}

// ask sends a message to one KDC after the other until one answers. An error message of a KDC comes back as a refusal.
func (n *network) ask(ctx context.Context, realm string, message []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, conversationLimit)
	defer cancel()
	addrs, err := n.addresses(ctx, realm)
	if err != nil {
		return nil, err
	}
	addrs = n.answered.first(realm, addrs)
	var errs []error
	for i, addr := range addrs {
		answer, err := n.askOne(ctx, addr, message, len(addrs)-i)
		if c := code(err); err == nil || c != 0 && c != errorcode.KDC_ERR_SVC_UNAVAILABLE {
			n.answered.note(realm, addr)
			return answer, err
		}
		if ctx.Err() != nil {
			return nil, errors.Join(append(errs, err)...)
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// addresses are those of the configuration, else those of DNS.
func (n *network) addresses(ctx context.Context, realm string) ([]string, error) {
	if addrs := n.settings.kdcs(realm); len(addrs) > 0 {
		return addrs, nil
	}
	const remedy = "add the realm with its kdc lines to krb5.conf"
	if !n.settings.kdcsByDNS {
		return nil, misconfigured(remedy, "krb5.conf names no KDC of the realm %s", realm)
	}
	_, records, err := n.resolver.LookupSRV(ctx, "kerberos", "tcp", realm)
	if err != nil || len(records) == 0 {
		return nil, misconfigured(remedy, "neither krb5.conf nor DNS name a KDC of the realm %s", realm)
	}
	addrs := make([]string, len(records))
	for i, r := range records {
		addrs[i] = net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port)))
	}
	return addrs, nil
}

// askOne sends a message over TCP, and over UDP to a KDC that does not accept connections. It leaves time for the others that are
// left.
func (n *network) askOne(ctx context.Context, addr string, message []byte, left int) ([]byte, error) {
	limit := kdcLimit
	if end, ok := ctx.Deadline(); ok && left > 1 {
		limit = min(limit, time.Until(end)/time.Duration(left))
	}
	if left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	conn, err := n.dial(ctx, "tcp", addr)
	if err != nil {
		if conn, udpErr := n.dial(ctx, "udp", addr); udpErr == nil {
			if answer, udpErr := converse(ctx, conn, message, datagram); udpErr == nil || code(udpErr) != 0 {
				return answer, udpErr
			}
		}
		return nil, err
	}
	answer, err := converse(ctx, conn, message, stream)
	if err != nil && code(err) == 0 {
		err = fmt.Errorf("KDC %s: %w", addr, err)
	}
	return answer, err
}

// converse sends a message, reads the answer and closes the connection. It ends with ctx.
func converse(ctx context.Context, conn net.Conn, message []byte, exchange func(net.Conn, []byte) ([]byte, error)) ([]byte, error) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	answer, err := exchange(conn, message)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	var refused messages.KRBError
	if refused.Unmarshal(answer) == nil {
		return nil, newRefusal(&refused)
	}
	return answer, nil
}

// stream exchanges messages with their length in front.
func stream(conn net.Conn, message []byte) ([]byte, error) {
	if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(message))), message...)); err != nil {
		return nil, err
	}
	var length [4]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n == 0 || n > maxReply {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(conn, answer)
	return answer, err
}

// udpLimit bounds how long an answer that may be lost is waited for.
const udpLimit = time.Second

// datagram exchanges messages as datagrams.
func datagram(conn net.Conn, message []byte) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(udpLimit)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(message); err != nil {
		return nil, err
	}
	answer := make([]byte, 1<<16)
	n, err := conn.Read(answer)
	return answer[:n], err
}
