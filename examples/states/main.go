// States prints every change of a client's connection through a blip, a long outage and the end of its session by the servers'
// word, and what State, Info and TrustedUntil say meanwhile.
//
//	go run ./examples/states                     # on a ZooKeeper-protocol server inside this process
//	go run ./examples/states -zk host:port,...   # on a real ensemble, whose sessions are not ended by decree
package main

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
)

func main() { stage.Main("states", tell) }

// tell is the story of one client and its network.
func tell(ctx context.Context, s *stage.Stage) error {
	network := &stage.Cable{}
	cli, err := framework.New(framework.Config{
		ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Namespace: s.Namespace, Dialer: network.Dial,
	})
	if err != nil {
		return err
	}
	defer s.Close("the client", cli)
	p := &program{s: s, cli: cli, network: network, states: cli.States(ctx)}

	s.Title("1. The client finds a server.")
	if err := p.follow(ctx, framework.Connected); err != nil {
		return err
	}
	session, err := cli.Session(ctx)
	if err != nil {
		return err
	}
	p.look(session)
	info := cli.Info()
	s.Promise(info.TrustedUntil.Before(info.LastAnswer.Add(info.Timeout)), "TrustedUntil is before the servers can end the session; each answer moves it")
	for _, scene := range []func(context.Context, *framework.Session) error{p.blip, p.outage, p.expiry} {
		if err := scene(ctx, session); err != nil {
			return err
		}
		if session, err = cli.Session(ctx); err != nil {
			return err
		}
	}
	p.inOrder()
	return nil
}

// program follows one client.
type program struct {
	s       *stage.Stage
	cli     *framework.Client
	network *stage.Cable
	states  <-chan framework.StateChange
	seen    []framework.StateChange
}

// blip: the connection breaks and comes back within the session.
func (p *program) blip(ctx context.Context, before *framework.Session) error {
	p.s.Title("2. The connection breaks for a moment.")
	p.network.Blip()
	if err := p.follow(ctx, framework.Reconnected); err != nil {
		return err
	}
	p.s.Promise(before.ID() == p.cli.State().SessionID, "it is the same session: its ephemeral nodes and watches are in place")
	return nil
}

// outage: no packet comes through, for longer than the session timeout.
func (p *program) outage(ctx context.Context, before *framework.Session) error {
	p.s.Title("3. Packets vanish, for longer than the session timeout.")
	p.network.Unplug()
	if err := p.follow(ctx, framework.Suspended); err != nil {
		return err
	}
	p.look(before)
	p.s.Say("a silent connection is given up after two thirds of the timeout, to leave time for another server")
	if err := p.follow(ctx, framework.Lost); err != nil {
		return err
	}
	p.look(before)
	lost := p.seen[len(p.seen)-1]
	p.s.Promise(lost.Time.After(before.TrustedUntil()), "TrustedUntil had passed %v before", lost.Time.Sub(before.TrustedUntil()).Round(time.Millisecond))
	_, err := before.Create(ctx, "/mine", nil, framework.Ephemeral)
	p.s.Promise(errors.Is(err, framework.ErrSessionLost), "work for the old session does not run in the next one: %v", err)

	p.network.Plug()
	if err := p.follow(ctx, framework.Connected); err != nil {
		return err
	}
	p.s.Promise(p.cli.State().SessionID != before.ID(), "it is another session")
	return nil
}

// expiry: the servers say that the session is over.
func (p *program) expiry(ctx context.Context, before *framework.Session) error {
	if p.s.Server == nil {
		return nil
	}
	p.s.Title("4. The server ends the session, without a warning.")
	p.s.Server.ExpireSession(before.ID())
	if err := p.follow(ctx, framework.Connected); err != nil {
		return err
	}
	p.s.Promise(p.cli.State().SessionID != before.ID(), "it is another session")
	return nil
}

// follow prints changes up to the given state.
func (p *program) follow(ctx context.Context, last framework.State) error {
	_, err := stage.Await(ctx, p.states, func(c framework.StateChange) bool {
		p.seen = append(p.seen, c)
		p.s.SayAt(c.Time, "%v -> %v, epoch %d, session %#x", c.Previous, c.State, c.Epoch, c.SessionID)
		if c.Cause != nil {
			p.s.SayAt(c.Time, "   because: %v", c.Cause)
		}
		return c.State == last
	})
	return err
}

// look prints what the client knows at this moment. It asks no server.
func (p *program) look(session *framework.Session) {
	info := p.cli.Info()
	p.s.Say("   Info: %v for %v, server %s, timeout %v", info.State, since(info.Time), info.Server, info.Timeout)
	p.s.Say("   last answer %v ago, trusted for %v", since(info.LastAnswer), -since(session.TrustedUntil()))
	if info.Err != nil {
		p.s.Say("   no connection: %v", info.Err)
	}
}

func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }

// inOrder checks the whole story: each change follows from the one before, whatever the connection did.
func (p *program) inOrder() {
	p.s.Title("Every change came, in order.")
	kept := true
	for i, c := range p.seen[1:] {
		before := p.seen[i]
		kept = kept && c.Previous == before.State && c.Epoch >= before.Epoch && !c.Time.Before(before.Time)
		switch c.State {
		case framework.Lost, framework.Reconnected:
			kept = kept && before.State == framework.Suspended
		case framework.Connected:
			kept = kept && (before.State == framework.Connecting || before.State == framework.Lost)
		}
	}
	p.s.Promise(kept, "SUSPENDED before LOST, LOST of one session before CONNECTED of the next: %d changes", len(p.seen))
	p.s.Promise(len(p.cli.History()) == len(p.seen), "History has them too, for those who look later")
}
