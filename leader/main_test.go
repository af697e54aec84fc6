package leader_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(realzk.Main(m)) }
