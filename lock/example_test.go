package lock_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/zktest"
)

// client starts an in-process server and a client of it.
func client() (cli *framework.Client, stop func()) {
	server, err := zktest.Start(zktest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	cli, err = framework.New(framework.Config{ConnectString: server.ConnectString()})
	if err != nil {
		log.Fatal(err)
	}
	return cli, func() { _, _ = cli.Close(), server.Close() }
}

func Example() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()

	held, err := lock.New(cli, "/locks/orders").Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	work := func(ctx context.Context) error { return ctx.Err() } // returns early when ctx ends
	if err := work(held.Context()); err != nil {
		log.Print("stopped: ", context.Cause(held.Context()))
	}
	if err := held.Unlock(ctx); err != nil {
		log.Print("the work may have overlapped with the next holder's: ", err)
	}
	fmt.Println(context.Cause(held.Context()))
	// Output: released
}

// A write that only the holder can make, whatever clocks and connections do meanwhile.
func ExampleHeld_Set() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()
	_, _ = cli.Create(ctx, "/account", []byte("100"))

	held, err := lock.New(cli, "/locks/account").Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	_ = cli.Delete(ctx, held.Path(), framework.AnyVersion) // somebody takes the lock away

	_, err = held.Set(ctx, "/account", []byte("0"), framework.AnyVersion)
	account, _ := cli.Get(ctx, "/account")
	fmt.Println(errors.Is(err, lock.ErrNotHeld), string(account.Data))
	// Output: true 100
}

// The token grows from holder to holder. A resource outside of ZooKeeper that remembers the largest one it has seen can
// refuse a holder that has been overtaken.
func ExampleHeld_Token() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()
	mutex := lock.New(cli, "/locks/printer")

	first, _ := mutex.Lock(ctx)
	_ = first.Unlock(ctx)
	second, _ := mutex.Lock(ctx)
	defer second.Unlock(ctx)

	newest := int64(0)
	printed := func(page string, token int64) {
		if token < newest {
			fmt.Println("refused:", page)
			return
		}
		newest = token
		fmt.Println("printed:", page)
	}
	printed("page of the second", second.Token())
	printed("late page of the first", first.Token())
	// Output:
	// printed: page of the second
	// refused: late page of the first
}

func ExampleMutex_TryLock() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()
	mutex := lock.New(cli, "/locks/nightly")

	held, _ := mutex.TryLock(ctx)
	defer held.Unlock(ctx)
	_, err := mutex.TryLock(ctx)
	fmt.Println(errors.Is(err, lock.ErrLocked))
	// Output: true
}

func ExampleWaitLimit() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()
	patient := lock.New(cli, "/locks/orders", lock.WithData([]byte("pod 7")))
	mutex := lock.New(cli, "/locks/orders", lock.WaitLimit(50*time.Millisecond))

	held, _ := patient.Lock(ctx)
	_, err := mutex.Lock(ctx)
	fmt.Println(errors.Is(err, lock.ErrWaitLimit))
	queue, _ := mutex.Contenders(ctx)
	fmt.Printf("held by %s\n", queue[0].Data)
	_ = held.Unlock(ctx)
	// Output:
	// true
	// held by pod 7
}

// The goroutines of a process hand the lock on among themselves; other processes get it after 100 hand-overs at the latest.
func ExampleLocalHandover() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()
	mutex := lock.New(cli, "/locks/orders", lock.LocalHandover(100))

	var all sync.WaitGroup
	first, _ := mutex.Lock(ctx)
	for range 5 {
		all.Go(func() {
			held, _ := mutex.Lock(ctx)
			_ = held.Unlock(ctx)
		})
	}
	_, busy := mutex.TryLock(ctx)
	fmt.Println(errors.Is(busy, lock.ErrLocked))
	_ = first.Unlock(ctx)
	all.Wait()
	queue, _ := mutex.Contenders(ctx)
	fmt.Println(len(queue), "are left")
	// Output:
	// true
	// 0 are left
}

// Two nodes, one for Curator and zk.Lock, one for kazoo; they come and go together.
func ExampleShared() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()
	held, _ := lock.New(cli, "/locks/orders", lock.Shared()).Lock(ctx)
	for _, check := range held.Checks() {
		_, name := framework.Split(check.Path())
		fmt.Println(name[len("_c_")+len("0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-"):])
	}
	_ = held.Unlock(ctx)
	// Output:
	// lock-0000000000
	// __lock__0000000001
}

// Many read at once, one writes. A writer that has finished can go on reading what it has written.
func ExampleRWMutex() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()
	config := lock.NewRW(cli, "/locks/config")

	writing, _ := config.Lock(ctx)
	_, err := config.TryRLock(ctx)
	fmt.Println("while it is written:", errors.Is(err, lock.ErrLocked))

	reading, _ := writing.Downgrade(ctx)
	other, _ := config.RLock(ctx)
	_, err = config.TryLock(ctx)
	fmt.Println("while two read it:", errors.Is(err, lock.ErrLocked))
	_, _ = reading.Unlock(ctx), other.Unlock(ctx)
	// Output:
	// while it is written: true
	// while two read it: true
}

// At most three run at a time, in all processes together; a big one counts for two.
func ExampleSemaphore() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()
	jobs := lock.NewSemaphore(cli, "/limits/jobs", 3)

	big, err := jobs.Acquire(ctx, 2)
	if err != nil {
		log.Fatal(err)
	}
	small, _ := jobs.Acquire(ctx, 1)
	_, err = jobs.TryAcquire(ctx, 1)
	fmt.Println("full:", errors.Is(err, lock.ErrLocked))
	_ = big.Unlock(ctx)
	more, _ := jobs.Acquire(ctx, 2)
	fmt.Println("two more:", len(more.Tokens()))
	_, _ = small.Unlock(ctx), more.Unlock(ctx)
	// Output:
	// full: true
	// two more: 2
}

func ExampleDo() {
	cli, stop := client()
	defer stop()
	err := lock.Do(context.Background(), lock.New(cli, "/locks/orders"), func(ctx context.Context, held *lock.Held) error {
		fmt.Println("alone:", ctx.Err() == nil && held.Token() > 0)
		return nil
	})
	if errors.Is(err, lock.ErrLost) {
		log.Print("the work may have overlapped with the next holder's: ", err)
	}
	fmt.Println(err)
	// Output:
	// alone: true
	// <nil>
}

// Two accounts are locked in one step, in whatever order they are named.
func ExampleMulti() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()

	both, err := lock.NewMulti(cli, []string{"/accounts/7", "/accounts/3"}).Lock(ctx)
	if err != nil {
		log.Fatal(err)
	}
	_, err = lock.New(cli, "/accounts/3").TryLock(ctx)
	fmt.Println(len(both.Paths()), errors.Is(err, lock.ErrLocked), both.Unlock(ctx))
	// Output: 2 true <nil>
}

// The holder of a lock is asked for it, and gives it up when its work has come to a good place to stop.
func ExampleMutex_Revoke() {
	cli, stop := client()
	defer stop()
	ctx := context.Background()
	mutex := lock.New(cli, "/locks/printer")
	held, _ := mutex.Lock(ctx)

	holders, _ := mutex.Contenders(ctx)
	if err := mutex.Revoke(ctx, holders[0]); err != nil {
		log.Fatal(err)
	}
	<-held.Revoked()
	fmt.Println("still held:", held.Context().Err() == nil, held.Unlock(ctx))
	// Output: still held: true <nil>
}
