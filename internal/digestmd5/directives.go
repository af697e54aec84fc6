package digestmd5

import (
	"errors"
	"fmt"
	"strings"
)

// maxMessage bounds a challenge and a response, in bytes: RFC 2831 allows a challenge 2048 and a response 4096.
const maxMessage = 4096

// directive is one name=value of a message.
type directive struct{ name, value string }

// directives are those of a message, in their order. Names are in lower case.
type directives []directive

// parse reads a message: name=value or name="value", separated by commas and white space (RFC 2831, 7.1).
func parse(message []byte) (directives, error) {
	if len(message) > maxMessage {
		return nil, fmt.Errorf("a message of %d bytes, more than %d", len(message), maxMessage)
	}
	var list directives
	for rest := skip(string(message)); rest != ""; rest = skip(rest) {
		name, after, ok := strings.Cut(rest, "=")
		if name = strings.TrimRight(name, " \t\r\n"); !ok || name == "" || strings.ContainsAny(name, "\", \t\r\n") {
			return nil, errors.New("a directive without a name or a value")
		}
		value, left, err := value(strings.TrimLeft(after, " \t\r\n"))
		if err != nil {
			return nil, fmt.Errorf("directive %q: %w", strings.ToLower(name), err)
		}
		list, rest = append(list, directive{strings.ToLower(name), value}), left
	}
	return list, nil
}

// skip drops what separates directives.
func skip(s string) string { return strings.TrimLeft(s, ", \t\r\n") }

// value reads a token or a quoted string, in which a backslash makes the next character literal.
func value(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ", \t\r\n")
		if end < 0 {
			end = len(s)
		}
		if end == 0 {
			return "", "", errors.New("no value")
		}
		return s[:end], s[end:], nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], nil
		case '\\':
			if i++; i == len(s) {
				return "", "", errors.New("a quoted string without an end")
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", errors.New("a quoted string without an end")
}

// one returns the value of a directive that may be there once, and whether it is.
func (l directives) one(name string) (value string, ok bool, err error) {
	for _, d := range l {
		if d.name != name {
			continue
		}
		if ok {
			return "", true, fmt.Errorf("directive %q comes twice", name)
		}
		value, ok = d.value, true
	}
	return value, ok, nil
}

// need returns the value of a directive that must be there once.
func (l directives) need(name string) (string, error) {
	value, ok, err := l.one(name)
	if err == nil && !ok {
		err = fmt.Errorf("directive %q is missing", name)
	}
	return value, err
}

// quoted writes name="value".
func quoted(name, value string) string {
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
}
