package kit

import (
	"context"
	"fmt"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
)

// Instance is the data of a service's instance as Curator writes it.
func Instance(service, id string, port int) []byte {
	return fmt.Appendf(nil, `{"name":%q,"id":%q,"address":"10.0.0.1","port":%d,"sslPort":null,"payload":null,`+
		`"registrationTimeUTC":1700000000000,"serviceType":"PERMANENT","uriSpec":null,"enabled":true}`, service, id, port)
}

// batch is how many picks there are between two looks at the clock.
const batch = 1000

// Picks is a workload in which callers pick one of n instances, again and again. A sample is what one pick took, as the mean
// of a batch. Before the first run it verifies that picks are spread evenly.
//
// Pick does so many picks; it counts by id where it is given a map.
func Picks(n int, pick func(picks int, seen map[string]int) error, done func() error) Workload {
	verified := false
	return Work{Done: done, Do: func(ctx context.Context, d time.Duration, args line.Args) (line.Answer, error) {
		if !verified {
			if err := evenly(n, pick); err != nil {
				return line.Answer{}, err
			}
			verified = true
		}
		answer, err := Repeat(ctx, d, args.Int("callers", 1), func(context.Context, int) error { return pick(batch, nil) })
		answer.Ops *= batch
		for i := range answer.SamplesUS {
			answer.SamplesUS[i] /= batch
		}
		return answer, err
	}}
}

func evenly(n int, pick func(picks int, seen map[string]int) error) error {
	const turns = 5
	seen := map[string]int{}
	if err := pick(turns*n, seen); err != nil {
		return err
	}
	if len(seen) != n {
		return fmt.Errorf("%d of %d instances were picked", len(seen), n)
	}
	for id, times := range seen {
		if times != turns {
			return fmt.Errorf("instance %s was picked %d times, and not %d", id, times, turns)
		}
	}
	return nil
}
