package kerberos_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/docent-zk/docent/sasl/kerberos"
	"github.com/docent-zk/docent/zktest"
)

// gssServer is the server's side of GSSAPI for zktest. It behaves as ZooKeeper's Java server does. Options make it behave in another way, or
// make it an impostor.
type gssServer struct {
	keys *keytab.Keytab
	gssOptions

	step    int
	session types.EncryptionKey
	proof   types.Authenticator
	key     types.EncryptionKey // protects messages
	user    string
}

type gssOptions struct {
	token    func(token []byte) []byte // changes what the server sends after the request
	noSubkey bool                      // it takes the client's key
	late     time.Duration             // what its proof is wrong by
	otherKey bool                      // it proves itself with a key of its own
	rotation uint16                    // of its protected message
	layers   byte                      // that it offers, none by default
	flags    byte                      // that its message has in addition
	tampered bool                      // its message
	sequence uint64                    // what the number of its message is wrong by
}

const serversNumber = 7000

func (s *gssServer) User() string { return s.user }

func (s *gssServer) Next(message []byte) ([]byte, bool, error) {
	s.step++
	switch s.step {
	case 1:
		token, err := s.prove(message)
		if err == nil && s.token != nil {
			token = s.token(token)
		}
		return token, false, err
	case 2:
		if len(message) != 0 {
			return nil, false, errors.New("nothing was to be said here")
		}
		return s.offer(), false, nil
	case 3:
		err := s.chosen(message)
		return nil, err == nil, err
	}
	return nil, false, errors.New("a message too many")
}

// prove checks the ticket and answers with the client's time.
func (s *gssServer) prove(token []byte) ([]byte, error) {
	kind, message, err := kerberos.OpenToken(token)
	if err != nil || !bytes.Equal(kind, []byte{1, 0}) {
		return nil, fmt.Errorf("a token of kind %x: %w", kind, err)
	}
	var request messages.APReq
	if err := request.Unmarshal(message); err != nil {
		return nil, err
	}
	if ok, err := request.Verify(s.keys, 5*time.Minute, types.HostAddress{}, nil); !ok {
		return nil, err
	}
	s.session, s.proof = request.Ticket.DecryptedEncPart.Key, request.Authenticator
	sum := s.proof.Cksum
	if sum.CksumType != 0x8003 || len(sum.Checksum) < 24 || binary.LittleEndian.Uint32(sum.Checksum[20:])&gssapi.ContextFlagMutual == 0 || !types.IsFlagSet(&request.APOptions, flags.APOptionMutualRequired) {
		return nil, errors.New("no mutual authentication is asked for")
	}
	part := messages.EncAPRepPart{CTime: s.proof.CTime.Add(s.late), Cusec: s.proof.Cusec, SequenceNumber: serversNumber}
	s.key = s.proof.SubKey
	if !s.noSubkey {
		et, err := crypto.GetEtype(s.session.KeyType)
		must(err)
		s.key, err = types.GenerateEncryptionKey(et)
		must(err)
		part.Subkey = s.key
	}
	return s.reply(part), nil
}

func (s *gssServer) reply(part messages.EncAPRepPart) []byte {
	content, err := asn1.Marshal(part)
	must(err)
	key := s.session
	if s.otherKey {
		key.KeyValue = bytes.Repeat([]byte{7}, len(key.KeyValue))
	}
	sealed, err := crypto.GetEncryptedData(asn1tools.AddASNAppTag(content, asnAppTag.EncAPRepPart), key, keyusage.AP_REP_ENCPART, 0)
	must(err)
	reply, err := asn1.Marshal(messages.APRep{PVNO: 5, MsgType: msgtype.KRB_AP_REP, EncPart: sealed})
	must(err)
	return kerberos.GSSToken(kerberos.TokenReply, asn1tools.AddASNAppTag(reply, asnAppTag.APREP))
}

// offer is the protected list of security layers.
func (s *gssServer) offer() []byte {
	set := 1 | s.flags
	if !s.noSubkey {
		set |= 4
	}
	w := gssapi.WrapToken{Flags: set, EC: 12, SndSeqNum: serversNumber + s.sequence, Payload: []byte{1, 0, 0xff, 0xff}}
	if s.layers != 0 {
		w.Payload[0] = s.layers
	}
	must(w.SetCheckSum(s.key, keyusage.GSSAPI_ACCEPTOR_SEAL))
	token, err := w.Marshal()
	must(err)
	if s.rotation > 0 {
		binary.BigEndian.PutUint16(token[6:], s.rotation)
		body := token[16:]
		n := len(body) - int(s.rotation)%len(body)
		copy(body, append(append([]byte{}, body[n:]...), body[:n]...))
	}
	if s.tampered {
		token[16] ^= 2
	}
	return token
}

// chosen checks the client's choice, which is protected.
func (s *gssServer) chosen(token []byte) error {
	var w gssapi.WrapToken
	if err := w.Unmarshal(token, false); err != nil {
		return err
	}
	if _, err := w.Verify(s.key, keyusage.GSSAPI_INITIATOR_SEAL); err != nil {
		return err
	}
	if w.SndSeqNum != uint64(s.proof.SeqNumber) {
		return errors.New("out of sequence")
	}
	if (w.Flags&4 != 0) == s.noSubkey {
		return errors.New("protected with the wrong key")
	}
	if !bytes.Equal(w.Payload, []byte{1, 0, 0, 0}) {
		return fmt.Errorf("a choice of %x", w.Payload)
	}
	s.user = s.proof.CName.PrincipalNameString() + "@" + s.proof.CRealm
	return nil
}

// guarded is a server that lets nobody in without a ticket for it. Keys returns its keytab.
func guarded(keys func() *keytab.Keytab, options gssOptions) zktest.Config {
	return zktest.Config{RequireSASL: true, SASL: func() zktest.SASLExchange {
		return &gssServer{keys: keys(), gssOptions: options}
	}}
}
