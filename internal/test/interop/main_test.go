package interop

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(realzk.Main(peersMain{m})) }

// peersMain ends the peers when the tests are over, before the server ends and before anybody looks for leaked goroutines.
type peersMain struct{ *testing.M }

func (m peersMain) Run() int {
	defer curator.end()
	defer kazoo.end()
	return m.M.Run()
}
