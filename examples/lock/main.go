// Lock shows what a lock is worth when its holder is cut off: the holder's context ends before anybody else can have the lock,
// and what the former holder still writes, because it was not looking, is refused: by its fencing token, and by the servers.
//
//	go run ./examples/lock                     # on a ZooKeeper-protocol server inside this process
//	go run ./examples/lock -zk host:port,...   # on a real ensemble
package main

import (
	"context"
	"errors"
	"time"

	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

func main() { stage.Main("lock", tell) }

// tell is the story of two workers and the lock on /orders.
func tell(ctx context.Context, s *stage.Stage) error {
	cable := &stage.Cable{}
	anna, err := framework.New(framework.Config{
		ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Namespace: s.Namespace, Dialer: cable.Dial,
	})
	if err != nil {
		return err
	}
	defer s.Close("anna", anna)
	defer cable.Plug()
	ben, err := framework.New(framework.Config{ConnectString: s.ConnectString, SessionTimeout: s.Timeout, Namespace: s.Namespace})
	if err != nil {
		return err
	}
	defer s.Close("ben", ben)

	old, present, err := handover(ctx, s, anna, ben, cable)
	if err != nil {
		return err
	}
	if err := stale(ctx, s, anna, cable, old, present); err != nil {
		return err
	}
	if err := old.Unlock(ctx); !errors.Is(err, framework.ErrSessionLost) && !errors.Is(err, framework.ErrUntrusted) {
		s.Promise(false, "anna's Unlock should say why she had lost the lock, not %v", err)
	}
	return present.Unlock(ctx)
}

// handover cuts the holder off and returns what it had, and what the next one has.
func handover(ctx context.Context, s *stage.Stage, anna, ben *framework.Client, cable *stage.Cable) (old, present *lock.Held, err error) {
	s.Title("1. Anna holds the lock, ben waits for it, and anna's network goes silent.")
	// Hold keeps the lock through a blip, for as long as nobody else can have it. Without it, anna would stop at the blip.
	old, err = lock.New(anna, "/locks/orders", lock.Hold(0)).Lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.Say("anna holds the lock with fencing token %d", old.Token())
	granted := stage.Go(func() (*lock.Held, error) { return lock.New(ben, "/locks/orders").Lock(ctx) })
	if err := stage.Queued(ctx, anna, "/locks/orders", 2); err != nil {
		return nil, nil, err
	}
	cable.Unplug()
	s.Say("anna's packets vanish; nobody is told")

	<-old.Context().Done()
	stopped := stage.Earlier(time.Now(), old.TrustedUntil()) // the context is over then, whenever this goroutine hears of it
	s.SayAt(stopped, "anna's context ends: %s", stage.Reason(context.Cause(old.Context())))
	next := <-granted
	if next.Err != nil {
		return nil, nil, next.Err
	}
	s.SayAt(next.When, "ben holds the lock with fencing token %d", next.Value.Token())
	s.Promise(next.When.After(stopped), "anna stopped %v before ben began", next.When.Sub(stopped).Round(time.Millisecond))
	s.Promise(next.Value.Token() > old.Token(), "the token has grown")
	return old, next.Value, nil
}

// stale lets the former holder write, as if it had never looked at its context.
func stale(ctx context.Context, s *stage.Stage, anna *framework.Client, cable *stage.Cable, old, present *lock.Held) error {
	s.Title("2. A database that remembers the largest token it has seen.")
	db := &database{}
	s.Promise(db.write("ben", present.Token()) == nil, "ben writes with token %d", present.Token())
	err := db.write("anna", old.Token())
	s.Say("anna writes with token %d: %v", old.Token(), err)
	s.Promise(errors.Is(err, errOldToken) && db.value == "ben", "the database refuses her")

	s.Title("3. Anna is back, and writes to ZooKeeper what the lock protects.")
	if _, err := present.Multi(ctx, []framework.Op{framework.CreateOp("/orders", []byte("ben"), framework.Persistent)}); err != nil {
		return err
	}
	cable.Plug()
	if err := anna.WaitConnected(ctx); err != nil {
		return err
	}
	_, err = old.Set(ctx, "/orders", []byte("anna"), framework.AnyVersion)
	s.Say("anna's held.Set: %v", err)
	s.Promise(errors.Is(err, lock.ErrNotHeld), "a guarded write is refused when the lock is not held")

	// The same, decided by the servers alone: her claim's node, which the check asks for, is gone.
	_, err = anna.Multi(ctx, []framework.Op{old.Check(), framework.SetOp("/orders", []byte("anna"), framework.AnyVersion)})
	var refused *framework.MultiError
	s.Promise(errors.As(err, &refused) && refused.Index == 0, "the servers would have refused it in any case")

	_, err = present.Set(ctx, "/orders", []byte("ben's next"), framework.AnyVersion)
	s.Promise(err == nil, "ben's guarded write goes through")
	if err := anna.Sync(ctx, "/orders"); err != nil { // her server may be behind ben's
		return err
	}
	node, err := anna.Get(ctx, "/orders")
	if err != nil {
		return err
	}
	s.Promise(string(node.Data) == "ben's next", "/orders is %q", node.Data)
	return nil
}
