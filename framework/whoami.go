package framework

import (
	"context"

	"github.com/docent-zk/docent/internal/jute"
)

// Identity is an identity of the client, as seen by the servers.
type Identity struct {
	// Scheme is the scheme, as in ACLs: "ip", "digest", "sasl", "x509", "super".
	Scheme string
	// ID is the name in that scheme: an address, a user, a principal, a subject. It is not always the id of an ACL:
	// with "digest", it is the user without the password hash.
	ID string
}

// WhoAmI returns the identities of the current connection, as seen by the server: the client's address, those of
// [Config.Auth] and [Client.AddAuth], of [Config.SASL], and of a client certificate.
//
// It returns [ErrUnsupported] if the servers do not support the request: ZooKeeper before 3.7, and some other servers
// with its protocol.
func (o *ops) WhoAmI(ctx context.Context) (identities []Identity, err error) {
	err = o.do(ctx, request{op: "whoAmI", path: "/", repeatable: true, try: func(ctx context.Context, e *epoch) error {
		if lack := e.core.can.lack(capWhoAmI); lack != nil {
			return lack
		}
		identities, err = ask(ctx, e, whoAmIQuery(e))
		return err
	}})
	return identities, err
}

func whoAmIQuery(e *epoch) query[[]Identity] {
	return query[[]Identity]{op: jute.OpWhoAmI, at: "/", kind: e.core.can.kind(capWhoAmI), decode: func(d *jute.Decoder) []Identity {
		list := d.ClientInfos()
		identities := make([]Identity, len(list))
		for i, info := range list {
			identities[i] = Identity{Scheme: info.Scheme, ID: info.User}
		}
		return identities
	}}
}
