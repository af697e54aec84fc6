package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/docent-zk/docent/internal/test/realzk"
)

// mainEnv makes this test binary the command.
const mainEnv = "DOCENT_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainEnv) != "" {
		main()
		return
	}
	goleak.VerifyTestMain(realzk.Main(m))
}
