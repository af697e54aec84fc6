package realzk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// way is the link from one member of an ensemble to another, by index.
type way struct{ from, to int }

// peers is the network between the members of an ensemble. Each member listens
// on a quorum port and an election port of its own, and knows the others only by
// the addresses of proxies.
type peers struct {
	quorum   []*port // by member
	election []*port
	proxies  map[way]*peerLink
}

// peerLink is one way between two members.
type peerLink struct {
	quorum   *Proxy
	election *Proxy
}

// newPeers lays the network for n members.
func newPeers(n int, reserve reserver) (*peers, error) {
	ways := waysBetween(n)
	ports, err := reserve(2*n + 2*len(ways))
	if err != nil {
		return nil, err
	}
	p := &peers{quorum: ports[:n], election: ports[n : 2*n], proxies: make(map[way]*peerLink)}
	for i, w := range ways {
		own := ports[2*n+2*i:]
		p.proxies[w] = &peerLink{
			quorum:   newProxy(p.quorum[w.to].addr(), own[0]),
			election: newProxy(p.election[w.to].addr(), own[1]),
		}
	}
	for w, link := range p.proxies {
		link.quorum.patience = quorumPatience
		// The answer to an election connection must come through a proxy, too.
		link.election.answerTo(p.proxies[way{w.to, w.from}].election.Addr())
	}
	if err := p.each(everyWay, (*Proxy).listen); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func waysBetween(n int) []way {
	var ways []way
	for from := range n {
		for to := range n {
			if from != to {
				ways = append(ways, way{from, to})
			}
		}
	}
	return ways
}

func everyWay(way) bool { return true }

// lines returns the part of zoo.cfg that tells a member about all members. If
// direct is set, all members are told the same, which is without proxies.
func (p *peers) lines(member int, direct bool) []string {
	var lines []string
	for i := range p.quorum {
		quorum, election := p.quorum[i].number, p.election[i].number
		if link := p.proxies[way{member, i}]; link != nil && !direct {
			quorum, election = link.quorum.port.number, link.election.port.number
		}
		lines = append(lines, fmt.Sprintf("server.%d=%s:%d:%d", i+1, loopback, quorum, election))
	}
	return lines
}

// each calls do with both proxies of every way that is chosen.
func (p *peers) each(chosen func(way) bool, do func(*Proxy) error) error {
	var errs []error
	for w, link := range p.proxies {
		if chosen(w) {
			errs = append(errs, do(link.quorum), do(link.election))
		}
	}
	return errors.Join(errs...)
}

func (p *peers) close() {
	_ = p.each(everyWay, func(proxy *Proxy) error {
		proxy.Close()
		return nil
	})
	releaseAll(p.quorum)
	releaseAll(p.election)
}

const (
	// quorumPatience makes up for connections that succeed although nobody listens
	// yet. A member that was elected listens on its quorum port a little later than
	// others dial it; they count on being refused, and dial again five times in
	// half a second before they ask for another election.
	quorumPatience = 500 * time.Millisecond

	// The first word of an election connection, by protocol version: 1 carries
	// one address, 2 several (ZOOKEEPER-3188).
	electionV1 = -65536
	electionV2 = -65535
	// maxElectionAddress is the limit that ZooKeeper itself has.
	maxElectionAddress = 2048
)

// answerTo makes the proxy replace the address that a member gives for calling
// back. It must be called before the proxy listens.
func (p *Proxy) answerTo(addr string) {
	p.preamble = func(from io.Reader) ([]byte, error) { return rewriteElectionAddress(from, addr) }
}

// rewriteElectionAddress reads the first message of an election connection
// (version, server id, length, address) and returns it with another address.
func rewriteElectionAddress(from io.Reader, addr string) ([]byte, error) {
	var head [20]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	version := int64(binary.BigEndian.Uint64(head[:]))
	size := int32(binary.BigEndian.Uint32(head[16:]))
	if version != electionV1 && version != electionV2 || size < 0 || size > maxElectionAddress {
		return nil, fmt.Errorf("realzk: no election message: version %d, address of %d bytes", version, size)
	}
	if _, err := io.CopyN(io.Discard, from, int64(size)); err != nil {
		return nil, err
	}
	message := binary.BigEndian.AppendUint32(head[:16:16], uint32(len(addr)))
	return append(message, addr...), nil
}
