package retry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docent-zk/docent/retry"
)

func Example() {
	policy := retry.Exponential(time.Millisecond, 4*time.Millisecond).WithMaxRetries(5)
	fmt.Println(policy)

	tries := 0
	err := retry.Do(context.Background(), policy, func(context.Context) error {
		tries++
		if tries < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	fmt.Println(tries, err)
	// Output:
	// exponential 1ms..4ms jitter 0.5, at most 5 retries
	// 3 <nil>
}

func ExamplePermanent() {
	errRefused := errors.New("refused")
	err := retry.Do(context.Background(), retry.Policy{}, func(context.Context) error {
		return retry.Permanent(errRefused)
	})
	fmt.Println(errors.Is(err, errRefused), err)
	// Output: true refused
}

func ExamplePolicy_Start() {
	policy := retry.NTimes(2, time.Millisecond)
	attempts := policy.Start()
	for {
		fmt.Println("round", attempts.Retries()+1)
		if err := attempts.Wait(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// round 1
	// round 2
	// round 3
	// no retries left
}

func ExamplePolicy_Err() {
	fmt.Println(retry.Exponential(time.Second, time.Millisecond).WithJitter(2).Err())
	// Output:
	// retry policy: the longest delay 1ms is below the first delay 1s; jitter 2 is outside [0, 1]
}
