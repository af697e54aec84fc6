package kerberos

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/chksumtype"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// Kinds of token of GSSAPI's Kerberos mechanism (RFC 4121, 4.1).
var (
	tokenRequest = []byte{1, 0}
	tokenReply   = []byte{2, 0}
	tokenError   = []byte{3, 0}
)

// oidKerberos is the mechanism's, encoded.
var oidKerberos = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02}

// contextFlags ask for a context in which the server proves itself too, and in which messages have sequence numbers and can be protected.
const contextFlags = gssapi.ContextFlagMutual | gssapi.ContextFlagSequence | gssapi.ContextFlagInteg

// gssToken frames a message of the mechanism.
func gssToken(kind, message []byte) []byte {
	return asn1tools.AddASNAppTag(slices.Concat(oidKerberos, kind, message), 0)
}

// openToken returns the message in a token, and its kind.
func openToken(token []byte) (kind, message []byte, err error) {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(token, &outer)
	if err != nil || len(rest) > 0 || outer.Class != asn1.ClassApplication || outer.Tag != 0 {
		return nil, nil, errors.New("the server's token is not one of GSSAPI")
	}
	inner, ok := bytes.CutPrefix(outer.Bytes, oidKerberos)
	if !ok || len(inner) < 2 {
		return nil, nil, errors.New("the server's token is not one of Kerberos")
	}
	return inner[:2], inner[2:], nil
}

// gssContext is the client's side of a security context.
type gssContext struct {
	session types.EncryptionKey // of the ticket
	proof   types.Authenticator
	key     types.EncryptionKey // protects messages, once the server has proved itself
	byteFor byte                // flag of messages that are protected by the server's key
	expect  uint64              // number of the server's next message
}

// request makes a context and the token that asks the server for it.
func (c *gssContext) request(t *ticket) ([]byte, error) {
	proof, err := types.NewAuthenticator(t.client.realm, t.client.wire(nametype.KRB_NT_PRINCIPAL))
	if err != nil {
		return nil, err
	}
	et, err := crypto.GetEtype(t.key.KeyType)
	if err != nil || !slices.Contains(supported, t.key.KeyType) {
		return nil, misconfigured("give the server's principal keys of an AES type", "the ticket for %s has a key of encryption type %d, which is not supported", t.server, t.key.KeyType)
	}
	// A key of this connection's own keeps messages of other connections from being played on it.
	if err := proof.GenerateSeqNumberAndSubKey(t.key.KeyType, et.GetKeyByteSize()); err != nil {
		return nil, err
	}
	sum := binary.LittleEndian.AppendUint32(nil, 16)
	sum = append(sum, make([]byte, 16)...) // bound to no channel
	proof.Cksum = types.Checksum{CksumType: chksumtype.GSSAPI, Checksum: binary.LittleEndian.AppendUint32(sum, contextFlags)}
	ap, err := messages.NewAPReq(t.ticket, t.key, proof)
	if err != nil {
		return nil, err
	}
	types.SetFlag(&ap.APOptions, flags.APOptionMutualRequired)
	message, err := ap.Marshal()
	if err != nil {
		return nil, err
	}
	c.session, c.proof, c.key = t.key, proof, proof.SubKey
	return gssToken(tokenRequest, message), nil
}

// reply checks the server's proof that it could decrypt the ticket.
func (c *gssContext) reply(token []byte) error {
	kind, message, err := openToken(token)
	if err != nil {
		return err
	}
	switch {
	case bytes.Equal(kind, tokenError):
		var refused messages.KRBError
		if err := refused.Unmarshal(message); err != nil {
			return errors.New("the server's error cannot be read")
		}
		return newRefusal(&refused)
	case !bytes.Equal(kind, tokenReply):
		return errors.New("the server does not prove itself")
	}
	var reply messages.APRep
	if err := reply.Unmarshal(message); err != nil {
		return errors.New("the server's proof cannot be read")
	}
	content, err := crypto.DecryptEncPart(reply.EncPart, c.session, keyusage.AP_REP_ENCPART)
	if err != nil {
		return errors.New("the server's proof cannot be decrypted with the ticket's key")
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(content); err != nil {
		return errors.New("the server's proof cannot be read")
	}
	if !part.CTime.Equal(c.proof.CTime.Truncate(time.Second)) || part.Cusec != c.proof.Cusec {
		return errors.New("the server's proof is for another connection")
	}
	c.expect = uint64(uint32(part.SequenceNumber)) // which some servers encode as a signed number
	if len(part.Subkey.KeyValue) > 0 {
		c.key, c.byteFor = part.Subkey, flagServersKey
	}
	if !slices.Contains(supported, c.key.KeyType) {
		return fmt.Errorf("the server chooses a key of encryption type %d, which is not supported", c.key.KeyType)
	}
	return nil
}

// Flags of a wrap token (RFC 4121, 4.2.2).
const (
	flagFromServer = 1
	flagSealed     = 2
	flagServersKey = 4
)

// wrapHeader is the length of a wrap token's header.
const wrapHeader = gssapi.HdrLen

// unwrap returns what the server's message says, if it is intact.
func (c *gssContext) unwrap(token []byte) ([]byte, error) {
	if len(token) < wrapHeader || token[0] != 5 || token[1] != 4 || token[3] != gssapi.FillerByte {
		return nil, errors.New("the server's message is not a wrap token")
	}
	switch {
	case token[2]&flagSealed != 0:
		return nil, errors.New("the server's message is encrypted, which this exchange does not provide for")
	case token[2]&^flagServersKey != flagFromServer || token[2]&flagServersKey != c.byteFor:
		return nil, fmt.Errorf("the server's message has flags %#x", token[2])
	}
	body := slices.Clone(token[wrapHeader:])
	length, rotated := int(binary.BigEndian.Uint16(token[4:])), int(binary.BigEndian.Uint16(token[6:]))
	if length > len(body) {
		return nil, errors.New("the server's message is shorter than its checksum")
	}
	if len(body) > 0 {
		rotated %= len(body)
		body = append(body[rotated:], body[:rotated]...)
	}
	w := gssapi.WrapToken{
		Flags: token[2], EC: uint16(length), SndSeqNum: binary.BigEndian.Uint64(token[8:]),
		Payload: body[:len(body)-length], CheckSum: body[len(body)-length:],
	}
	if ok, err := w.Verify(c.key, keyusage.GSSAPI_ACCEPTOR_SEAL); err != nil || !ok {
		return nil, errors.New("the checksum of the server's message is wrong")
	}
	if w.SndSeqNum != c.expect {
		return nil, errors.New("the server's message is out of sequence")
	}
	c.expect++
	return w.Payload, nil
}

// wrap protects a message to the server.
func (c *gssContext) wrap(message []byte) ([]byte, error) {
	et, err := crypto.GetEtype(c.key.KeyType)
	if err != nil {
		return nil, err
	}
	w := gssapi.WrapToken{Flags: c.byteFor, EC: uint16(et.GetHMACBitLength() / 8), SndSeqNum: uint64(c.proof.SeqNumber), Payload: message}
	if err := w.SetCheckSum(c.key, keyusage.GSSAPI_INITIATOR_SEAL); err != nil {
		return nil, err
	}
	return w.Marshal()
}
