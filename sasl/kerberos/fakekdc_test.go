package kerberos_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/flags"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

const fakeEtype = etypeID.AES256_CTS_HMAC_SHA1_96

// fakeKDC issues tickets of several realms, on connections in memory, so that tests play on fake time. It is strict about what it is
// sent. Its fields are set ahead of the first connection, or through the methods.
type fakeKDC struct {
	life, renewable time.Duration
	iterations      uint32 // that a password's key is to be made with, 0 for the default

	mu       sync.Mutex
	keys     map[string]*keytab.Keytab // by principal
	ahead    time.Duration             // of its clock
	answers  func(message []byte) []byte
	down     bool
	hanging  bool
	datagram bool // TCP is refused

	dials, logins, wrong, grants, renewals atomic.Int32
}

func newFakeKDC(principals ...string) *fakeKDC {
	k := &fakeKDC{life: 10 * time.Hour, renewable: 24 * time.Hour, keys: make(map[string]*keytab.Keytab)}
	for _, name := range append(principals, "krbtgt/A@A") {
		k.rekey(name, 1)
	}
	return k
}

// secretOf is the password of a principal.
func secretOf(name string, version int) string {
	return name + "-s3cr3t-" + string(rune('0'+version))
}

// rekey gives a principal another password.
func (k *fakeKDC) rekey(name string, version int) *keytab.Keytab {
	p, realm := types.ParseSPNString(name)
	made, ok := madeKeys.Load(secretOf(name, version))
	if !ok {
		kt := keytab.New()
		must(kt.AddEntry(p.PrincipalNameString(), realm, secretOf(name, version), time.Now(), uint8(version), fakeEtype))
		made, _ = madeKeys.LoadOrStore(secretOf(name, version), *kt)
	}
	kt := made.(keytab.Keytab)
	kt.Entries = slices.Clone(kt.Entries)
	k.with(func() { k.keys[name] = &kt })
	return &kt
}

// madeKeys are keytabs by password: making a key from one takes a while.
var madeKeys sync.Map

func (k *fakeKDC) with(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

func (k *fakeKDC) now() time.Time { return time.Now().UTC().Add(k.ahead) }

// dial connects to the KDC of any realm, whose address is the realm.
func (k *fakeKDC) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	k.dials.Add(1)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k.down || k.datagram == (network == "tcp") {
		return nil, syscall.ECONNREFUSED
	}
	realm, _, _ := net.SplitHostPort(addr)
	client, server := net.Pipe()
	go k.serve(server, strings.ToUpper(realm), network == "udp", k.hanging)
	return client, nil
}

func (k *fakeKDC) serve(conn net.Conn, realm string, datagram, hanging bool) {
	defer conn.Close()
	message, err := readMessage(conn, datagram)
	if err != nil {
		return
	}
	if hanging {
		_, _ = io.Copy(io.Discard, conn) // until the client hangs up
		return
	}
	k.mu.Lock()
	var answer []byte
	if k.answers != nil {
		answer = k.answers(message)
	} else {
		answer = k.answer(message, realm)
	}
	k.mu.Unlock()
	if !datagram {
		answer = append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...)
	}
	_, _ = conn.Write(answer)
}

func readMessage(conn net.Conn, datagram bool) ([]byte, error) {
	if datagram {
		message := make([]byte, 1<<16)
		n, err := conn.Read(message)
		return message[:n], err
	}
	var length [4]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err := io.ReadFull(conn, message)
	return message, err
}

// answer handles one request. Its caller has mu.
func (k *fakeKDC) answer(message []byte, realm string) []byte {
	var as messages.ASReq
	var tgs messages.TGSReq
	var answer []byte
	var err error
	switch {
	case as.Unmarshal(message) == nil:
		answer, err = k.login(as, realm)
	case tgs.Unmarshal(message) == nil:
		answer, err = k.grant(tgs, realm)
	default:
		err = errorOf(errorcode.KRB_AP_ERR_MSG_TYPE, "what is this?")
	}
	if err != nil {
		var e messages.KRBError
		if !errors.As(err, &e) {
			e = errorOf(errorcode.KRB_ERR_GENERIC, err.Error())
		}
		e.STime, e.Realm = k.now(), realm
		answer, err = e.Marshal()
		must(err)
	}
	return answer
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func errorOf(code int32, text string) messages.KRBError {
	return messages.NewKRBError(types.NewPrincipalName(2, "krbtgt/A"), "A", code, text)
}

func (k *fakeKDC) login(r messages.ASReq, realm string) ([]byte, error) {
	name := r.ReqBody.CName.PrincipalNameString() + "@" + realm
	kt := k.keys[name]
	if types.IsFlagSet(&r.ReqBody.KDCOptions, flags.Canonicalize) {
		return nil, errors.New("a name that the client would not know again")
	}
	if kt == nil {
		return nil, errorOf(errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN, "")
	}
	key := kt.Entries[0].Key
	info := types.ETypeInfo2Entry{EType: fakeEtype, Salt: r.ReqBody.CName.GetSalt(realm)}
	if k.iterations > 0 {
		info.S2KParams = binary.BigEndian.AppendUint32(nil, k.iterations)
	}
	infos, err := asn1.Marshal(types.ETypeInfo2{info})
	must(err)
	hints := types.PADataSequence{{PADataType: patype.PA_ETYPE_INFO2, PADataValue: infos}, {PADataType: patype.PA_ENC_TIMESTAMP}}
	if len(r.PAData) == 0 {
		e := errorOf(errorcode.KDC_ERR_PREAUTH_REQUIRED, "")
		e.EData, err = asn1.Marshal(hints)
		must(err)
		return nil, e
	}
	var sealed types.EncryptedData
	must(sealed.Unmarshal(r.PAData[0].PADataValue))
	open, err := crypto.DecryptEncPart(sealed, key, keyusage.AS_REQ_PA_ENC_TIMESTAMP)
	if err != nil {
		k.wrong.Add(1)
		return nil, errorOf(errorcode.KDC_ERR_PREAUTH_FAILED, "")
	}
	var stamp types.PAEncTSEnc
	must(stamp.Unmarshal(open))
	if stamp.PATimestamp.Sub(k.now()).Abs() > 5*time.Minute {
		return nil, errorOf(errorcode.KRB_AP_ERR_SKEW, "")
	}
	k.logins.Add(1)
	t, part := k.issue(r.ReqBody, realm, r.ReqBody.CName, realm, r.ReqBody.SName, k.now(), k.now().Add(k.life), k.now().Add(k.renewable))
	reply := messages.ASRep{KDCRepFields: messages.KDCRepFields{PVNO: 5, MsgType: 11, CRealm: realm, CName: r.ReqBody.CName, Ticket: t, PAData: hints[:1]}}
	reply.EncPart = seal(part, key, keyusage.AS_REP_ENCPART, int(kt.Entries[0].KVNO))
	return reply.Marshal()
}

func (k *fakeKDC) grant(r messages.TGSReq, realm string) ([]byte, error) {
	var proof messages.APReq
	if len(r.PAData) != 1 || proof.Unmarshal(r.PAData[0].PADataValue) != nil {
		return nil, errors.New("no proof")
	}
	if err := proof.Ticket.DecryptEncPart(k.keys["krbtgt/"+realm+"@"+proof.Ticket.Realm], nil); err != nil {
		return nil, errorOf(errorcode.KRB_AP_ERR_BAD_INTEGRITY, "")
	}
	tgt := proof.Ticket.DecryptedEncPart
	if err := k.verify(&proof, r); err != nil {
		return nil, err
	}
	if k.now().After(tgt.EndTime) {
		return nil, errorOf(errorcode.KRB_AP_ERR_TKT_EXPIRED, "")
	}
	server, end, since := r.ReqBody.SName, tgt.EndTime, k.now()
	switch name := server.PrincipalNameString() + "@" + realm; {
	case types.IsFlagSet(&r.ReqBody.KDCOptions, flags.Renew):
		if k.now().After(tgt.RenewTill) {
			return nil, errorOf(errorcode.KRB_AP_ERR_TKT_EXPIRED, "")
		}
		k.renewals.Add(1)
		end = k.now().Add(k.life)
		if end.After(tgt.RenewTill) {
			end = tgt.RenewTill
		}
	case k.keys[name] == nil:
		// Realms refer along the chain A, B, C.
		next := types.NewPrincipalName(2, "krbtgt/"+string(rune(realm[0]+1)))
		if k.keys[next.PrincipalNameString()+"@"+realm] == nil {
			return nil, errorOf(errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN, "")
		}
		server = next
		fallthrough
	default:
		k.grants.Add(1)
	}
	t, part := k.issue(r.ReqBody, realm, tgt.CName, tgt.CRealm, server, since, end, tgt.RenewTill)
	reply := messages.TGSRep{KDCRepFields: messages.KDCRepFields{PVNO: 5, MsgType: 13, CRealm: tgt.CRealm, CName: tgt.CName, Ticket: t}}
	reply.EncPart = seal(part, tgt.Key, keyusage.TGS_REP_ENCPART_SESSION_KEY, 0)
	return reply.Marshal()
}

// verify checks that a request comes from the owner of a ticket, and has not been changed.
func (k *fakeKDC) verify(proof *messages.APReq, r messages.TGSReq) error {
	tgt := proof.Ticket.DecryptedEncPart
	must(proof.DecryptAuthenticator(tgt.Key))
	body, err := r.ReqBody.Marshal()
	must(err)
	et, err := crypto.GetEtype(tgt.Key.KeyType)
	must(err)
	a := proof.Authenticator
	if a.CRealm != tgt.CRealm || !a.CName.Equal(tgt.CName) {
		return errorOf(errorcode.KRB_AP_ERR_BADMATCH, "")
	}
	if !et.VerifyChecksum(tgt.Key.KeyValue, body, a.Cksum.Checksum, keyusage.TGS_REQ_PA_TGS_REQ_AP_REQ_AUTHENTICATOR_CHKSUM) {
		return errorOf(errorcode.KRB_AP_ERR_MODIFIED, "")
	}
	return nil
}

func (k *fakeKDC) issue(body messages.KDCReqBody, realm string, client types.PrincipalName, clientRealm string, server types.PrincipalName, since, end, till time.Time) (messages.Ticket, messages.EncKDCRepPart) {
	since, end, till = since.Truncate(time.Second), end.Truncate(time.Second), till.Truncate(time.Second)
	set := types.NewKrbFlags()
	if k.renewable > 0 {
		types.SetFlag(&set, flags.Renewable)
	}
	kt := k.keys[server.PrincipalNameString()+"@"+realm]
	t, key, err := messages.NewTicket(client, clientRealm, server, realm, set, kt, fakeEtype, int(kt.Entries[0].KVNO), since, since, end, till)
	must(err)
	return t, messages.EncKDCRepPart{
		Key: key, LastReqs: []messages.LastReq{{LRValue: since}}, Nonce: body.Nonce, Flags: set, AuthTime: since, StartTime: since,
		EndTime: end, RenewTill: till, SRealm: realm, SName: server,
	}
}

func seal(part messages.EncKDCRepPart, key types.EncryptionKey, usage uint32, kvno int) types.EncryptedData {
	content, err := part.Marshal()
	must(err)
	sealed, err := crypto.GetEncryptedData(content, key, usage, kvno)
	must(err)
	return sealed
}

// among returns a dialer for this KDC beside one that is away and one that does not answer.
func (k *fakeKDC) among(away, hangs string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		switch addr {
		case away:
			return nil, syscall.ECONNREFUSED
		case hangs:
			client, server := net.Pipe()
			go k.serve(server, "", false, true)
			return client, nil
		}
		return k.dial(ctx, network, addr)
	}
}
