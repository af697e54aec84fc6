package kerberos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/docent-zk/docent/sasl"
)

// login gets a ticket-granting ticket for a client that has keys (RFC 4120, 3.1). The client proves first that it has them, and the
// answer proves that the KDC has them.
func (n *network) login(ctx context.Context, client principal, secret keys) (*ticket, error) {
	t, err := n.tryLogin(ctx, client, secret)
	if err != nil {
		return nil, explain(err, client, tgtOf(client.realm, client.realm))
	}
	return t, nil
}

func (n *network) tryLogin(ctx context.Context, client principal, secret keys) (*ticket, error) {
	request, err := n.loginRequest(client, secret)
	if err != nil {
		return nil, err
	}
	first, err := request.Marshal()
	if err != nil {
		return nil, err
	}
	answer, err := n.ask(ctx, client.realm, first)
	known := nameHint(request.ReqBody.EType[0], client)
	var refused *refusal
	if errors.As(err, &refused) && refused.code == errorcode.KDC_ERR_PREAUTH_REQUIRED {
		if known, err = prove(request, known, secret, refused.data); err != nil {
			return nil, err
		}
		second, err := request.Marshal()
		if err != nil {
			return nil, err
		}
		if answer, err = n.ask(ctx, client.realm, second); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return n.accept(answer, request, client, secret, known)
}

func (n *network) loginRequest(client principal, secret keys) (*messages.ASReq, error) {
	etypes := secret.types(n.settings.etypes)
	if len(etypes) == 0 {
		return nil, misconfigured("export the keytab with aes256-cts-hmac-sha1-96", "the keytab has no key of %s of an encryption type that krb5.conf permits and that is supported, which are AES's", client)
	}
	request, err := messages.NewASReqForTGT(client.realm, n.settings.library(), client.wire(nametype.KRB_NT_PRINCIPAL))
	if err != nil {
		return nil, err
	}
	body := &request.ReqBody
	types.UnsetFlag(&body.KDCOptions, flags.Canonicalize)
	body.EType = etypes
	if n.settings.renewLife > 0 {
		body.RTime = time.Now().UTC().Add(n.settings.renewLife)
	}
	return &request, nil
}

// prove adds the time to a request, encrypted with the client's key as the KDC has asked for it. It returns the hint that it followed.
func prove(request *messages.ASReq, known hint, secret keys, asked []byte) (hint, error) {
	var list types.PADataSequence
	if len(asked) == 0 || list.Unmarshal(asked) != nil || !list.Contains(patype.PA_ENC_TIMESTAMP) {
		return known, misconfigured("let the KDC accept encrypted timestamps", "the KDC asks for a proof of another kind than a password or a keytab gives")
	}
	h := known.or(list, request.ReqBody.EType)
	key, version, err := secret.key(h, 0)
	if err != nil {
		return h, fail(sasl.ErrCredentials, "", err)
	}
	stamp, err := types.GetPAEncTSEncAsnMarshalled()
	if err != nil {
		return h, err
	}
	sealed, err := crypto.GetEncryptedData(stamp, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP, version)
	if err != nil {
		return h, err
	}
	value, err := sealed.Marshal()
	request.PAData = types.PADataSequence{{PADataType: patype.PA_ENC_TIMESTAMP, PADataValue: value}}
	return h, err
}

// nameHint is what holds where the KDC gives no hint: the salt is the principal's name.
func nameHint(etype int32, client principal) hint {
	return hint{etype: etype, salt: client.wire(nametype.KRB_NT_PRINCIPAL).GetSalt(client.realm)}
}

// or returns the KDC's first hint with an offered encryption type. Without one it returns the receiver.
func (h hint) or(list types.PADataSequence, offered []int32) hint {
	for _, data := range list {
		var info types.ETypeInfo2
		if data.PADataType != patype.PA_ETYPE_INFO2 || info.Unmarshal(data.PADataValue) != nil {
			continue
		}
		for _, entry := range info {
			if !slices.Contains(offered, entry.EType) {
				continue
			}
			h.etype, h.options = entry.EType, entry.S2KParams
			if entry.Salt != "" {
				h.salt = entry.Salt
			}
			return h
		}
	}
	return h
}

// accept decrypts the KDC's answer and checks that it answers the request.
func (n *network) accept(answer []byte, request *messages.ASReq, client principal, secret keys, known hint) (*ticket, error) {
	var reply messages.ASRep
	if err := reply.Unmarshal(answer); err != nil {
		return nil, errors.New("the KDC's answer cannot be read")
	}
	etype := reply.EncPart.EType
	if !slices.Contains(request.ReqBody.EType, etype) {
		return nil, fmt.Errorf("the KDC answers with encryption type %d, which it was not offered", etype)
	}
	if known.etype != etype {
		known = nameHint(etype, client)
	}
	key, _, err := secret.key(known.or(reply.PAData, []int32{etype}), reply.EncPart.KVNO)
	if err != nil {
		return nil, fail(sasl.ErrCredentials, "export the keytab again", err)
	}
	content, err := crypto.DecryptEncPart(reply.EncPart, key, keyusage.AS_REP_ENCPART)
	if err != nil {
		return nil, fail(sasl.ErrCredentials, fmt.Sprintf("the password or keytab of %s is wrong or out of date: try kinit with it", client), errors.New("the KDC's answer cannot be decrypted"))
	}
	var part messages.EncKDCRepPart
	if err := part.Unmarshal(content); err != nil {
		return nil, errors.New("the KDC's answer cannot be read")
	}
	if principalOf(reply.CName, reply.CRealm) != client {
		return nil, errors.New("the KDC's answer is for somebody else")
	}
	if principalOf(part.SName, part.SRealm) != tgtOf(client.realm, client.realm) {
		return nil, errors.New("the KDC's answer is a ticket for another service")
	}
	if err := n.fits(&part, request.ReqBody.Nonce, reply.Ticket); err != nil {
		return nil, err
	}
	if off := time.Since(part.AuthTime); off.Abs() > n.settings.clockSkew {
		return nil, fail(sasl.ErrClockSkew, fmt.Sprintf("the KDC's clock is %v ahead of this machine's: synchronize them", -off.Round(time.Second)), nil)
	}
	return newTicket(client, reply.Ticket, &part), nil
}

// fits checks what all answers have in common.
func (n *network) fits(part *messages.EncKDCRepPart, nonce int, t messages.Ticket) error {
	switch {
	case part.Nonce != nonce:
		return errors.New("the KDC's answer is for another request")
	case len(t.SName.NameString) == 0 || len(part.Key.KeyValue) == 0:
		return errors.New("the KDC's answer has no ticket")
	case !part.EndTime.After(time.Now()):
		return fail(sasl.ErrClockSkew, "synchronize the clocks of this machine and the KDC", errors.New("the KDC's new ticket has expired by the clock of this machine"))
	}
	return nil
}
