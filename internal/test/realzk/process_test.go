package realzk

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// beVictim starts a server, says where, and waits to be killed.
func beVictim() {
	found, err := machine.locate()
	if err != nil {
		panic(err)
	}
	s, err := startStandalone(found, Options{}, reserve)
	if err != nil {
		panic(err)
	}
	// The goroutine that started the server has returned, and much else happens
	// on its thread: the server must not depend on that.
	for range 100 {
		go runtime.LockOSThread()
	}
	runtime.GC()
	if _, err := s.Mode(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(s.Addr(), s.dir.path)
	select {}
}

func TestServerDiesWithTheTestBinary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a child with its parent")
	}
	machine.require(t)
	victim := exec.Command(os.Args[0])
	victim.Env = append(os.Environ(), victimEnv+"=1")
	output, err := victim.StdoutPipe()
	require.NoError(t, err)
	victim.Stderr = os.Stderr
	require.NoError(t, victim.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	require.NoError(t, err)
	addr, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
	answer, err := fourLetter(within(t), addr, "ruok")
	require.NoError(t, err)
	require.Equal(t, "imok", answer)

	require.NoError(t, victim.Process.Kill())
	require.Error(t, victim.Wait())
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp4", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	}, time.Minute, 10*time.Millisecond, "the server outlives the test binary")

	age(t, dir)
	sweep(scratchPlaces()[0])
	sweep(os.TempDir())
	assert.False(t, exists(t, dir), "the directory outlives the test binary")
}

// A server must not die with the thread of whoever started it.
func TestServerOutlivesTheThreadThatAskedForIt(t *testing.T) {
	found := machine.require(t)
	var s *Server
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // not unlocked: the thread ends with the goroutine
		s, err = startStandalone(found, Options{}, reserve)
	}()
	<-done
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close()) })
	require.NoError(t, s.WaitReady(within(t)))
	_, err = s.Mode(within(t))
	require.NoError(t, err)
}
