package line

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// peerEnv makes the test binary a peer.
const peerEnv = "DOCENT_BENCH_TEST_PEER"

func TestMain(m *testing.M) {
	if os.Getenv(peerEnv) != "" {
		fmt.Fprintln(os.Stderr, "the peer begins")
		if err := Serve(os.Stdin, os.Stdout, handle); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// handle is what the peers of these tests do.
func handle(c Command) (Answer, error) {
	switch c.Workload {
	case "fails":
		return Answer{Ops: 1}, errors.New("it does not work")
	case "panics":
		panic("at once")
	case "exits":
		os.Exit(3)
	case "chatters":
		fmt.Println("good day")
	}
	return Answer{Ops: 2, SamplesUS: []float64{1, 2}, Text: map[string]string{"heard": c.String()}}, nil
}

func TestCommandsSurviveTheLine(t *testing.T) {
	for text, command := range map[string]Command{
		"hello":                              {Verb: Hello, Args: Args{}},
		"prepare W1 path=/a servers=h:1,i:2": {Verb: Prepare, Workload: "W1", Args: Args{"servers": "h:1,i:2", "path": "/a"}},
		"run W1 200ms":                       {Verb: Run, Workload: "W1", For: 200 * time.Millisecond, Args: Args{}},
		"run set#2 0s eq=a=b n=5":            {Verb: Run, Workload: "set#2", Args: Args{"n": "5", "eq": "a=b"}},
		"end W1":                             {Verb: End, Workload: "W1", Args: Args{}},
	} {
		assert.Equal(t, text, command.String())
		got, err := Parse(text)
		require.NoError(t, err)
		assert.Equal(t, command, got)
	}
}

func TestParseRefusesWhatIsNotACommand(t *testing.T) {
	for text, why := range map[string]string{
		"": "empty", "  ": "empty", "run W1": "for how long", "run W1 soon": "invalid duration", "prepare W1 path": "key=value",
	} {
		_, err := Parse(text)
		assert.ErrorContains(t, err, why)
	}
}

func TestArgs(t *testing.T) {
	a := Args{"n": "7", "word": "x", "pause": "20ms"}
	assert.Equal(t, 7, a.Int("n", 1))
	assert.Equal(t, 1, a.Int("word", 1))
	assert.Equal(t, 20*time.Millisecond, a.Duration("pause"))
	assert.Zero(t, a.Duration("n"))
	b := a.With("n", 8)
	assert.Equal(t, "8", b["n"])
	assert.Equal(t, "7", a["n"], "the original stays as it was")
	assert.Equal(t, Args{"a": "true"}, Args(nil).With("a", true))
}

func TestServeAnswersEachLineWithOne(t *testing.T) {
	var out bytes.Buffer
	in := "run W1 1s\n\nrun fails 0s\nrun panics 0s\nend W1\n"
	require.NoError(t, Serve(strings.NewReader(in), &out, handle))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Len(t, lines, 5)
	assert.JSONEq(t, `{"ops":2,"samples_us":[1,2],"text":{"heard":"run W1 1s"}}`, lines[0])
	assert.JSONEq(t, `{"error":"the line is empty"}`, lines[1])
	assert.JSONEq(t, `{"error":"it does not work","ops":1}`, lines[2])
	assert.JSONEq(t, `{"error":"panic: at once"}`, lines[3])
	assert.Contains(t, lines[4], "end W1", "it goes on after a failure")
}

// peer starts the test binary as a peer.
func peer(t *testing.T) *Child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), peerEnv+"=1", "GORACE=atexit_sleep_ms=0")
	c, err := Start("the peer", cmd)
	require.NoError(t, err)
	return c
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestChildAnswers(t *testing.T) {
	c := peer(t)
	for range 3 {
		answer, err := c.Do(within(t), Command{Verb: Run, Workload: "W1", For: time.Second, Args: Args{"n": "3"}})
		require.NoError(t, err)
		assert.Equal(t, Answer{Ops: 2, SamplesUS: []float64{1, 2}, Text: map[string]string{"heard": "run W1 1s n=3"}}, answer)
	}
	_, err := c.Do(within(t), Command{Verb: Run, Workload: "fails"})
	require.ErrorContains(t, err, "the peer: run fails: it does not work")
	require.NotErrorIs(t, err, ErrEnded, "a command that fails does not end the peer")
	_, err = c.Do(within(t), Command{Verb: End, Workload: "W1"})
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestChildThatEndsFailsItsCommand(t *testing.T) {
	c := peer(t)
	_, err := c.Do(within(t), Command{Verb: Run, Workload: "exits"})
	require.ErrorIs(t, err, ErrEnded)
	require.ErrorContains(t, err, "the peer begins", "what it has written says why")
	_, err = c.Do(within(t), Command{Verb: Run, Workload: "W1"})
	require.ErrorIs(t, err, ErrEnded)
	require.ErrorContains(t, c.Close(), "exit status 3")
}

func TestChildThatSaysSomethingElseIsOut(t *testing.T) {
	c := peer(t)
	_, err := c.Do(within(t), Command{Verb: Run, Workload: "chatters"})
	require.ErrorIs(t, err, ErrEnded)
	require.ErrorContains(t, err, "good day")
	require.NoError(t, c.Close())
}

func TestChildThatCannotBeStarted(t *testing.T) {
	_, err := Start("nobody", exec.Command("/nonexistent/peer"))
	require.ErrorContains(t, err, "nobody")
}

// scripted is a peer that is played by a test: what it reads, and what it writes.
func scripted(t *testing.T) (c *Child, commands io.Reader, answers io.WriteCloser) {
	t.Helper()
	commands, in := io.Pipe()
	out, answers := io.Pipe()
	return attach("scripted", in, out), commands, answers
}

func TestCallerDoesNotWaitLongerThanItsContext(t *testing.T) {
	c, commands, answers := scripted(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = commands.Read(make([]byte, 100))
		cancel()
	}()
	_, err := c.Do(ctx, Command{Verb: Hello})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, answers.Close())
	require.NoError(t, c.Close())
}

func TestAnswerWithoutAQuestionIsAnError(t *testing.T) {
	c, commands, answers := scripted(t)
	_, err := io.WriteString(answers, "{}\n{}\n")
	require.NoError(t, err)
	<-c.ended
	go func() { _, _ = io.Copy(io.Discard, commands) }()
	_, err = c.Do(within(t), Command{Verb: Hello})
	require.ErrorIs(t, err, ErrEnded)
	require.NoError(t, answers.Close())
	require.NoError(t, c.Close())
}

func TestTailKeepsTheEnd(t *testing.T) {
	var l tail
	for i := range 2000 {
		fmt.Fprintf(&l, "%04d\n", i)
	}
	assert.Len(t, l.String(), tailSize)
	assert.True(t, strings.HasSuffix(l.String(), "1999\n"))
}
