//go:build linux

package chaos

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) {
	BeWorker()
	goleak.VerifyTestMain(realzk.Main(m))
}
