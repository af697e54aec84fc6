package line

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
)

// maxLine is the longest line that either side accepts.
const maxLine = 4 << 20

// Serve answers commands until in ends. A handler that panics fails its command, as one that returns an error does.
func Serve(in io.Reader, out io.Writer, handle func(Command) (Answer, error)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	encoder := json.NewEncoder(out)
	for lines.Scan() {
		if err := encoder.Encode(answerTo(lines.Text(), handle)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func answerTo(text string, handle func(Command) (Answer, error)) (answer Answer) {
	defer func() {
		if p := recover(); p != nil {
			answer = Answer{Error: fmt.Sprintf("panic: %v", p)}
		}
	}()
	command, err := Parse(text)
	if err == nil {
		answer, err = handle(command)
	}
	if err != nil {
		answer.Error = err.Error()
	}
	return answer
}
