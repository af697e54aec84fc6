package kerberos

import (
	"context"
	"errors"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// maxHops bounds how many realms lie between the client's and the server's.
const maxHops = 8

// service gets a ticket for a server (RFC 4120, 3.3). If the server has no realm, the KDC of the client's realm is asked, which may refer the client
// to another realm.
func (n *network) service(ctx context.Context, tgt *ticket, server principal) (*ticket, error) {
	t, err := n.tryService(ctx, tgt, server)
	if err != nil {
		return nil, explain(err, tgt.client, server)
	}
	return t, nil
}

func (n *network) tryService(ctx context.Context, tgt *ticket, server principal) (*ticket, error) {
	realm := server.realm
	if realm == "" {
		realm = tgt.server.grants()
	}
	for range maxHops {
		at := tgt.server.grants()
		want := principal{server.name, at}
		if at != realm {
			want = tgtOf(realm, at)
		}
		got, err := n.grant(ctx, tgt, want, false)
		if err != nil {
			return nil, err
		}
		next := got.server.grants()
		switch {
		case next == "" && at == realm:
			return got, nil
		case next == "":
			return nil, errors.New("the KDC grants another ticket than the one that was asked for")
		case next == at:
			return nil, fmt.Errorf("the KDC of the realm %s refers to itself", at)
		case at == realm: // a referral
			realm = next
		}
		tgt = got
	}
	return nil, fmt.Errorf("more than %d realms between %s and %s", maxHops, tgt.client, server)
}

// renew gets another ticket-granting ticket for one that has not ended yet.
func (n *network) renew(ctx context.Context, tgt *ticket) (*ticket, error) {
	t, err := n.grant(ctx, tgt, tgt.server, true)
	if err != nil {
		return nil, explain(err, tgt.client, tgt.server)
	}
	return t, nil
}

// grant asks the service that a ticket is for, for another ticket.
func (n *network) grant(ctx context.Context, tgt *ticket, server principal, renewal bool) (*ticket, error) {
	request, err := n.grantRequest(tgt, server, renewal)
	if err != nil {
		return nil, err
	}
	message, err := request.Marshal()
	if err != nil {
		return nil, err
	}
	answer, err := n.ask(ctx, tgt.server.grants(), message)
	if err != nil {
		return nil, err
	}
	var reply messages.TGSRep
	if err := reply.Unmarshal(answer); err != nil {
		return nil, errors.New("the KDC's answer cannot be read")
	}
	content, err := crypto.DecryptEncPart(reply.EncPart, tgt.key, keyusage.TGS_REP_ENCPART_SESSION_KEY)
	if err != nil {
		return nil, errors.New("the KDC's answer cannot be decrypted")
	}
	var part messages.EncKDCRepPart
	if err := part.Unmarshal(content); err != nil {
		return nil, errors.New("the KDC's answer cannot be read")
	}
	if principalOf(reply.CName, reply.CRealm) != tgt.client {
		return nil, errors.New("the KDC's answer is for somebody else")
	}
	if err := n.fits(&part, request.ReqBody.Nonce, reply.Ticket); err != nil {
		return nil, err
	}
	return newTicket(tgt.client, reply.Ticket, &part), nil
}

// grantRequest makes the request with a proof of its own: the library's names the wrong realm for the client behind a second hop.
func (n *network) grantRequest(tgt *ticket, server principal, renewal bool) (*messages.TGSReq, error) {
	if _, err := crypto.GetEtype(tgt.key.KeyType); err != nil {
		return nil, misconfigured("permit AES in krb5.conf and get a new ticket with kinit", "the session key of the ticket is of encryption type %d, which is not supported", tgt.key.KeyType)
	}
	client := tgt.client.wire(nametype.KRB_NT_PRINCIPAL)
	request, err := messages.NewTGSReq(client, tgt.server.grants(), n.settings.library(), tgt.ticket, tgt.key, server.wire(server.nameType()), renewal)
	if err != nil {
		return nil, err
	}
	body, err := request.ReqBody.Marshal()
	if err != nil {
		return nil, err
	}
	et, err := crypto.GetEtype(tgt.key.KeyType)
	if err != nil {
		return nil, err
	}
	sum, err := et.GetChecksumHash(tgt.key.KeyValue, body, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR_CHKSUM)
	if err != nil {
		return nil, err
	}
	proof, err := types.NewAuthenticator(tgt.client.realm, client)
	if err != nil {
		return nil, err
	}
	proof.Cksum = types.Checksum{CksumType: et.GetHashID(), Checksum: sum}
	ap, err := messages.NewAPReq(tgt.ticket, tgt.key, proof)
	if err != nil {
		return nil, err
	}
	value, err := ap.Marshal()
	if err != nil {
		return nil, err
	}
	request.PAData = types.PADataSequence{{PADataType: patype.PA_TGS_REQ, PADataValue: value}}
	return &request, nil
}
