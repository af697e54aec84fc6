package kerberos

import (
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// flagRenewable is the number of the ticket flag, counted from the most significant bit.
const flagRenewable = 8

// ticket is one for a service, or for the ticket-granting service, with its session key.
type ticket struct {
	client, server principal
	ticket         messages.Ticket
	key            types.EncryptionKey
	start, end     time.Time
	renewTill      time.Time
	renewable      bool
	got            time.Time // from the KDC; zero for one from a cache
}

// newTicket is the one in an answer of a KDC. Server is whom it was asked for.
func newTicket(client principal, t messages.Ticket, part *messages.EncKDCRepPart) *ticket {
	start := part.StartTime
	if start.IsZero() {
		start = part.AuthTime
	}
	return &ticket{
		client: client, server: principalOf(part.SName, part.SRealm), ticket: t, key: part.Key,
		start: start, end: part.EndTime, renewTill: part.RenewTill,
		renewable: types.IsFlagSet(&part.Flags, flagRenewable), got: time.Now(),
	}
}

// maxMargin bounds margin.
const maxMargin = 30 * time.Second

// margin is the time before its end in which a ticket is not used any more. A server whose clock is a little ahead would refuse it.
func (t *ticket) margin() time.Duration { return min(maxMargin, t.end.Sub(t.start)/10) }

// usable reports whether the ticket can be used now.
func (t *ticket) usable() bool { return t != nil && time.Now().Before(t.end.Add(-t.margin())) }

// refreshIn is when it is time to get another one: after four fifths of what is left of it now.
func (t *ticket) refreshIn() time.Duration { return time.Until(t.end) * 4 / 5 }

// due reports whether little enough is left of the ticket to renew it.
func (t *ticket) due() bool { return time.Until(t.end) <= t.end.Sub(t.start)/4 }

// canRenew reports whether the KDC renews the ticket, which has to be valid still.
func (t *ticket) canRenew() bool {
	now := time.Now()
	return t.renewable && now.Before(t.end) && t.renewTill.After(t.end)
}
