package recipes_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/docent-zk/docent/internal/test/realzk"
)

func TestMain(m *testing.M) {
	if runChild != nil && os.Getenv(childEnv) != "" {
		runChild()
		return
	}
	goleak.VerifyTestMain(realzk.Main(m))
}

// childEnv makes this binary play the process that is killed in a test; its value is the connect string.
const childEnv = "DOCENT_RECIPES_CHILD"

// runChild plays it, where there is such a test.
var runChild func()
