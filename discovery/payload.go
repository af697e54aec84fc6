package discovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Java classes that Curator writes where JSON is ambiguous.
const (
	classKey       = "@class"
	classLong      = "java.lang.Long"
	classBigInt    = "java.math.BigInteger"
	classFloat     = "java.lang.Float"
	classArrayList = "java.util.ArrayList"
	classMap       = "java.util.LinkedHashMap"
)

// encodePayload writes a payload as JSON that Curator can read. class is the class of an object, if it is not empty.
func encodePayload(v any, class string) (json.RawMessage, error) {
	if raw, ok := v.(json.RawMessage); ok && len(raw) > 0 {
		return verbatim(raw)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: its payload: %w", ErrInvalidInstance, err)
	}
	raw := restyle(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	switch c := raw[0]; {
	case c == '{':
		return appendClass(raw, objectClass(v, class)), nil
	case c == '[':
		return wrapped(classArrayList, raw), nil
	case c == '-' || c >= '0' && c <= '9':
		return dressNumber(v, raw), nil
	}
	return raw, nil
}

// verbatim returns JSON without blanks.
func verbatim(raw json.RawMessage) (json.RawMessage, error) {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return nil, fmt.Errorf("%w: its payload: %w", ErrInvalidInstance, err)
	}
	return b.Bytes(), nil
}

// objectClass returns the class to write into an object; "" for none.
func objectClass(v any, class string) string {
	if class == "" && kindOf(v) == reflect.Map {
		return classMap
	}
	return class
}

// appendClass writes the class before an object's fields, unless the object contains one.
func appendClass(raw json.RawMessage, class string) json.RawMessage {
	var f fields
	if class == "" || json.Unmarshal(raw, &f) != nil || f[classKey] != nil {
		return raw
	}
	b := append(json.RawMessage(nil), `{"`+classKey+`":`...)
	b = appendText(b, class)
	if len(f) > 0 {
		b = append(b, ',')
	}
	return append(b, raw[1:]...)
}

func wrapped(class string, raw json.RawMessage) json.RawMessage {
	b := appendText(json.RawMessage("["), class)
	return append(append(append(b, ','), raw...), ']')
}

// dressNumber adds the class to a number that Java would otherwise read as another type.
func dressNumber(v any, raw json.RawMessage) json.RawMessage {
	if _, own := v.(json.Marshaler); own {
		return raw
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	switch kind := kindOf(v); kind {
	case reflect.Float64:
		if err == nil {
			return append(raw, ".0"...)
		}
	case reflect.Float32:
		return wrapped(classFloat, raw)
	case reflect.Int64, reflect.Uint32, reflect.Uint64, reflect.Int, reflect.Uint, reflect.Uintptr:
		short := kind == reflect.Int || kind == reflect.Uint
		if err != nil {
			return wrapped(classBigInt, raw)
		}
		if !short || n < math.MinInt32 || n > math.MaxInt32 {
			return wrapped(classLong, raw)
		}
	}
	return raw
}

// kindOf returns the kind of a value, or of what it points to.
func kindOf(v any) reflect.Kind {
	t := reflect.TypeOf(v)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return reflect.Invalid
	}
	return t.Kind()
}

// decodePayload parses what Curator writes. If class is not empty, an object must not name another class.
func decodePayload[T any](raw json.RawMessage, class string) (v T, _ error) {
	if own, ok := any(&v).(*json.RawMessage); ok {
		*own = bytes.Clone(raw)
		if len(raw) == 0 {
			*own = json.RawMessage("null")
		}
		return v, nil
	}
	if isNull(raw) {
		return v, nil
	}
	raw, wrapper := unwrap(raw)
	raw, err := checkClass(raw, class)
	own, untyped := any(&v).(*any)
	switch {
	case err != nil:
	case untyped:
		*own, err = natural(raw, wrapper)
	default:
		err = json.Unmarshal(raw, &v)
	}
	if err != nil {
		return v, unreadable(fmt.Errorf("payload: %w", err))
	}
	return v, nil
}

// unwrap removes the class from a value that is wrapped, as in ["java.lang.Long",3]. It returns other arrays unchanged.
func unwrap(raw json.RawMessage) (value json.RawMessage, class string) {
	if raw[0] != '[' {
		return raw, ""
	}
	var pair []json.RawMessage
	if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 || pair[0][0] != '"' {
		return raw, ""
	}
	if err := json.Unmarshal(pair[0], &class); err != nil || !strings.Contains(class, ".") {
		return raw, ""
	}
	return pair[1], class
}

// checkClass rejects an object of another class than want. It removes the name of want and those of Java's maps.
func checkClass(raw json.RawMessage, want string) (json.RawMessage, error) {
	if len(raw) == 0 || raw[0] != '{' {
		return raw, nil
	}
	var f fields
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, err
	}
	var class string
	if err := read(f, classKey, &class, readText); err != nil || class == "" {
		return raw, err
	}
	switch {
	case class == want, strings.HasPrefix(class, "java.util."):
		delete(f, classKey)
		return json.Marshal(f)
	case want != "":
		return nil, fmt.Errorf("it is a %s, not a %s", class, want)
	}
	return raw, nil
}

// natural returns JSON as a T of type any. wrapper is the class that it was wrapped in.
func natural(raw json.RawMessage, wrapper string) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	v, err := numbers(v)
	if n, ok := v.(int); ok && wrapper == classLong {
		return int64(n), err
	}
	return v, err
}

// numbers converts integers to int, or to int64 if they have more than 32 bits, and other numbers to float64.
func numbers(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case json.Number:
		n, failed := strconv.ParseInt(string(v), 10, 64)
		switch {
		case failed != nil:
			return v.Float64()
		case n < math.MinInt32 || n > math.MaxInt32:
			return n, nil
		}
		return int(n), nil
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = numbers(v[key]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}
