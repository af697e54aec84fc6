package cache

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Codec makes a value of a node's data, or says why it cannot. It must not keep or modify data.
type Codec[T any] func(data []byte) (T, error)

// JSON decodes with encoding/json. Only white space may follow the value. null is rejected with [ErrEmpty], as empty data is.
func JSON[T any]() Codec[T] {
	return func(data []byte) (value T, err error) {
		if string(bytes.TrimSpace(data)) == "null" {
			return value, fmt.Errorf("%w: it is null", ErrEmpty)
		}
		err = json.Unmarshal(data, &value)
		return value, err
	}
}

// Text takes data as it is, as a string.
func Text() Codec[string] {
	return func(data []byte) (string, error) { return string(data), nil }
}

// Bytes takes a copy of the data.
func Bytes() Codec[[]byte] {
	return func(data []byte) ([]byte, error) { return bytes.Clone(data), nil }
}
