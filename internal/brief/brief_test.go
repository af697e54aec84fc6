package brief

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDurationHasTwoUnitsAtMost(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0ms", 0: "0ms", 999_999 * time.Microsecond: "999ms", time.Second: "1s", 4250 * time.Millisecond: "4.2s",
		9990 * time.Millisecond: "9.9s", 10*time.Second + 1: "10s", 59_999 * time.Millisecond: "59s", time.Minute: "1m", 100 * time.Second: "1m40s",
		61*time.Minute + 5*time.Second: "1h1m", 2 * time.Hour: "2h", 25 * time.Hour: "1d1h", 400*24*time.Hour + time.Minute: "400d",
	} {
		assert.Equal(t, want, Duration(d), "%v", d)
	}
}
