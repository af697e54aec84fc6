package sessionfile

import (
	"bufio"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		beChild(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// childEnv makes this binary a process that opens the file, says so, and waits for a word.
const childEnv = "DOCENT_SESSIONFILE_CHILD"

func beChild(path string) {
	f, err := Open(path)
	if err == nil {
		err = f.Write(session)
	}
	fmt.Println("opened:", err)
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}
