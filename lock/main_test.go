package lock_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/docent-zk/docent/internal/realzk"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		beChild()
		return
	}
	goleak.VerifyTestMain(realzk.Main(m))
}
