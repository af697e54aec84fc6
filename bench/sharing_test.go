package bench

import (
	"fmt"
	"testing"

	"github.com/docent-zk/docent/lock"
)

// most is how often a process hands the lock on before it queues again.
var most = []int{15, 255}

func BenchmarkSharing(b *testing.B) {
	for _, n := range most {
		b.Run(fmt.Sprintf("handovers=%d", n), func(b *testing.B) {
			onEach(b, func(b *testing.B, p place) { sharing(b, p, n).run(b) })
		})
	}
}

// sharing is eight goroutines of one process that want the same lock: handing it over among themselves, and each with a place in
// the queue of the servers.
func sharing(tb testing.TB, p place, handovers int) contest {
	const callers = 8
	among := func(opts ...lock.Option) side {
		m := lock.New(p.docent(tb), "/sharing", opts...)
		return spread(tb.Context(), callers, nil, func() error {
			held, err := m.Lock(tb.Context())
			if err != nil {
				return err
			}
			return held.Unlock(tb.Context())
		})
	}
	return contest{docent: among(lock.LocalHandover(handovers)), bare: among()}
}
