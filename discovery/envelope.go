package discovery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// envelope is an instance with its payload as JSON.
type envelope struct {
	name, id, address string
	port, sslPort     int
	payload           json.RawMessage
	registered        int64 // in milliseconds since 1970
	kind              Type
	uriSpec           URISpec
	disabled          bool
}

func envelopeOf[T any](in *Instance[T], payload json.RawMessage) *envelope {
	return &envelope{
		name: in.Name, id: in.ID, address: in.Address, port: in.Port, sslPort: in.SSLPort, payload: payload,
		registered: millis(in.RegistrationTime), kind: in.Type, uriSpec: in.URISpec, disabled: in.Disabled,
	}
}

func instanceOf[T any](e *envelope, payload T) Instance[T] {
	in := Instance[T]{
		Name: e.name, ID: e.id, Address: e.address, Port: e.port, SSLPort: e.sslPort, Payload: payload,
		Type: e.kind, URISpec: e.uriSpec, Disabled: e.disabled,
	}
	if e.registered != 0 {
		in.RegistrationTime = time.UnixMilli(e.registered).UTC()
	}
	return in
}

// millis returns a time in Curator's form.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// append writes an envelope as Curator does.
func (f *jsonFormat) append(e *envelope) []byte {
	b := make([]byte, 0, 256+len(e.payload))
	b = appendNullable(append(b, `{"name":`...), e.name)
	b = appendNullable(append(b, `,"id":`...), e.id)
	b = appendNullable(append(b, `,"address":`...), e.address)
	b = appendPort(append(b, `,"port":`...), e.port)
	b = appendPort(append(b, `,"sslPort":`...), e.sslPort)
	b = append(append(b, `,"payload":`...), e.payload...)
	b = strconv.AppendInt(append(b, `,"registrationTimeUTC":`...), e.registered, 10)
	b = appendText(append(b, `,"serviceType":`...), e.kind.String())
	b = appendURISpec(append(b, `,"uriSpec":`...), e.uriSpec)
	if f.enabled == always || f.enabled == whenDisabled && e.disabled {
		b = strconv.AppendBool(append(b, `,"enabled":`...), !e.disabled)
	}
	return append(b, '}')
}

func appendNullable(b []byte, text string) []byte {
	if text == "" {
		return append(b, "null"...)
	}
	return appendText(b, text)
}

func appendPort(b []byte, port int) []byte {
	if port == 0 {
		return append(b, "null"...)
	}
	return strconv.AppendInt(b, int64(port), 10)
}

func appendURISpec(b []byte, spec URISpec) []byte {
	if spec == nil {
		return append(b, "null"...)
	}
	b = append(b, `{"parts":[`...)
	for i, p := range spec {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"value":`...), p.Value)
		b = strconv.AppendBool(append(b, `,"variable":`...), p.Variable)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// fields are the fields of a JSON object. Names are case-sensitive, and the last of two equal names counts.
type fields map[string]json.RawMessage

// byteOrderMark may precede JSON in UTF-8.
var byteOrderMark = []byte("\xef\xbb\xbf")

// readEnvelope parses what Curator reads. It ignores everything after the object.
func readEnvelope(data []byte) (envelope, error) {
	if len(data) == 0 {
		return envelope{}, fmt.Errorf("%w: it is empty", ErrUnreadable)
	}
	var f fields
	if err := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(data, byteOrderMark))).Decode(&f); err != nil {
		return envelope{}, unreadable(err)
	}
	if f == nil {
		return envelope{}, fmt.Errorf("%w: it is null", ErrUnreadable)
	}
	e, err := f.envelope()
	if err != nil {
		return envelope{}, unreadable(err)
	}
	return e, nil
}

// unreadable returns an error with the reason why a node cannot be read. A reason that quotes much of the data is
// shortened.
func unreadable(why error) error {
	const most = 300
	text := why.Error()
	if len(text) <= most {
		return fmt.Errorf("%w: %w", ErrUnreadable, why)
	}
	return fmt.Errorf("%w: %s... (%d bytes)", ErrUnreadable, strings.ToValidUTF8(text[:most], ""), len(text))
}

func (f fields) envelope() (e envelope, _ error) {
	e.payload = f["payload"]
	var enabled bool
	err := errors.Join(
		read(f, "name", &e.name, readText), read(f, "id", &e.id, readText), read(f, "address", &e.address, readText),
		read(f, "port", &e.port, readPort), read(f, "sslPort", &e.sslPort, readPort),
		read(f, "registrationTimeUTC", &e.registered, readInteger),
		read(f, "serviceType", &e.kind, readType), read(f, "uriSpec", &e.uriSpec, readURISpec),
		read(f, "enabled", &enabled, readBool),
	)
	_, said := f["enabled"]
	e.disabled = said && !enabled
	return e, err
}

// read parses a field if it is present. null is the zero value.
func read[V any](f fields, name string, into *V, parse func(json.RawMessage) (V, error)) error {
	raw, ok := f[name]
	if !ok || isNull(raw) {
		return nil
	}
	v, err := parse(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	*into = v
	return nil
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// readText accepts any scalar.
func readText(raw json.RawMessage) (text string, err error) {
	switch raw[0] {
	case '"':
		err = json.Unmarshal(raw, &text)
	case '{', '[':
		err = errors.New("it is not a text")
	default:
		text = string(raw)
	}
	return text, err
}

// digits returns the digits of a number, which may be in a string; "" for null.
func digits(raw json.RawMessage) (text string, quoted bool, err error) {
	text, err = readText(raw)
	quoted = raw[0] == '"'
	if quoted {
		text = strings.TrimSpace(text)
	}
	return text, quoted, err
}

// readInteger accepts a number, whose fraction is dropped, and an integer in a string. An empty string counts as null.
func readInteger(raw json.RawMessage) (int64, error) {
	text, quoted, err := digits(raw)
	if err != nil || quoted && text == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil || quoted || strings.IndexFunc(text, isLetter) == 0 {
		return n, err
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(x) >= math.MaxInt64 {
		return 0, fmt.Errorf("%s is out of range", text)
	}
	return int64(x), nil
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' }

func readPort(raw json.RawMessage) (int, error) {
	n, err := readInteger(raw)
	if err == nil && int64(int32(n)) != n {
		err = fmt.Errorf("%d is out of range", n)
	}
	return int(n), err
}

// readType accepts a name in upper case.
func readType(raw json.RawMessage) (Type, error) {
	text, err := readText(raw)
	if err != nil {
		return 0, err
	}
	i := slices.Index(typeNames[:], text)
	if i < 0 {
		return 0, fmt.Errorf("%s is not one of %s", raw, strings.Join(typeNames[:], ", "))
	}
	return Type(i), nil
}

func readBool(raw json.RawMessage) (bool, error) {
	text, _, err := digits(raw)
	if err != nil {
		return false, err
	}
	switch text {
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE", "":
		return false, nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n != 0, err
}

// readURISpec accepts an object, and a string that ParseURISpec accepts.
func readURISpec(raw json.RawMessage) (URISpec, error) {
	if raw[0] == '"' {
		text, err := readText(raw)
		if err != nil {
			return nil, err
		}
		return ParseURISpec(text)
	}
	var f fields
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, err
	}
	spec := URISpec{}
	return spec, read(f, "parts", &spec, readParts)
}

func readParts(raw json.RawMessage) (URISpec, error) {
	var parts []fields
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, err
	}
	spec := make(URISpec, len(parts))
	for i, f := range parts {
		if err := errors.Join(read(f, "value", &spec[i].Value, readText), read(f, "variable", &spec[i].Variable, readBool)); err != nil {
			return nil, err
		}
	}
	return spec, nil
}
