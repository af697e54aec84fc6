package kerberos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/messages"

	"github.com/docent-zk/docent/sasl"
)

// mechanismName is the registered name of GSSAPI with Kerberos 5.
const mechanismName = "GSSAPI"

// fail makes the error of a kind.
func fail(kind error, remedy string, cause error) *sasl.Error {
	return &sasl.Error{Mechanism: mechanismName, Kind: kind, Remedy: remedy, Err: cause}
}

// misconfigured is the error for a client whose own files or options are wrong.
func misconfigured(remedy, format string, args ...any) *sasl.Error {
	return fail(sasl.ErrConfiguration, remedy, fmt.Errorf(format, args...))
}

// refusal is an error message of the KDC.
type refusal struct {
	code int32
	text string
	time time.Time // the KDC's clock; zero if the message has none
	data []byte
}

func newRefusal(e *messages.KRBError) *refusal {
	return &refusal{code: e.ErrorCode, text: e.EText, time: e.STime, data: e.EData}
}

func (r *refusal) Error() string {
	text := errorcode.Lookup(r.code)
	if r.text != "" {
		text += " - " + r.text
	}
	return "the KDC says " + text
}

// offset is how far ahead the KDC's clock is, to the second.
func (r *refusal) offset() time.Duration { return time.Until(r.time).Round(time.Second) }

// code returns that of a refusal by the KDC, 0 for other errors.
func code(err error) int32 {
	var r *refusal
	if errors.As(err, &r) {
		return r.code
	}
	return 0
}

// explain gives an error of an exchange with a KDC its kind and a remedy. Client and server are the principals of the ticket that was asked
// for.
func explain(err error, client, server principal) *sasl.Error {
	var known *sasl.Error
	var r *refusal
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &r):
		return r.explain(client, server)
	}
	return fail(sasl.ErrUnreachable, "check the realm's kdc lines in krb5.conf, or its SRV records, and that the KDC runs", err)
}

func (r *refusal) explain(client, server principal) *sasl.Error {
	kind, remedy := sasl.ErrRefused, "see the KDC's log"
	switch r.code {
	case errorcode.KDC_ERR_PREAUTH_FAILED, errorcode.KRB_AP_ERR_BAD_INTEGRITY:
		kind, remedy = sasl.ErrCredentials, fmt.Sprintf("the password or keytab of %s is wrong or out of date: try kinit with it", client)
	case errorcode.KDC_ERR_C_PRINCIPAL_UNKNOWN:
		kind, remedy = sasl.ErrCredentials, fmt.Sprintf("the realm has no principal %s", client)
	case errorcode.KDC_ERR_CLIENT_REVOKED, errorcode.KDC_ERR_NAME_EXP, errorcode.KDC_ERR_CLIENT_NOTYET:
		kind, remedy = sasl.ErrCredentials, fmt.Sprintf("the account of %s is locked or expired: ask the realm's administrator", client)
	case errorcode.KDC_ERR_KEY_EXPIRED:
		kind, remedy = sasl.ErrCredentials, fmt.Sprintf("the password of %s has expired: change it with kpasswd", client)
	case errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN:
		kind, remedy = sasl.ErrUnknownServer, fmt.Sprintf("the realm has no principal %s: set Config.ServerPrincipal or HostNames to what the servers' JAAS file says, or create it", server)
	case errorcode.KRB_AP_ERR_TKT_EXPIRED:
		kind, remedy = sasl.ErrExpired, "run kinit again"
	case errorcode.KRB_AP_ERR_SKEW, errorcode.KRB_AP_ERR_TKT_NYV, errorcode.KDC_ERR_NEVER_VALID, errorcode.KDC_ERR_CANNOT_POSTDATE:
		kind, remedy = sasl.ErrClockSkew, "synchronize the clocks of this machine and the KDC"
		if !r.time.IsZero() {
			remedy = fmt.Sprintf("the KDC's clock is %v ahead of this machine's: synchronize them", r.offset())
		}
	case errorcode.KDC_ERR_ETYPE_NOSUPP:
		kind, remedy = sasl.ErrConfiguration, fmt.Sprintf("give %s and %s keys of an AES type, which krb5.conf and the KDC both permit", client, server)
	case errorcode.KDC_ERR_WRONG_REALM:
		kind, remedy = sasl.ErrConfiguration, fmt.Sprintf("%s belongs to another realm: name that in Config.Principal", client)
	case errorcode.KDC_ERR_SVC_UNAVAILABLE:
		kind, remedy = sasl.ErrUnreachable, "the KDC is out of service"
	}
	return fail(kind, remedy, r)
}

// givenUp reports whether an error only says that the caller has given up.
func givenUp(err error) bool { return errors.Is(err, context.Canceled) }
