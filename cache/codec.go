package cache

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Codec decodes the data of a node, or returns an error. It must not keep or modify data.
type Codec[T any] func(data []byte) (T, error)

// JSON decodes with encoding/json. Only white space may follow the value. It rejects null and empty data with
// [ErrEmpty].
func JSON[T any]() Codec[T] {
	return func(data []byte) (value T, err error) {
		if string(bytes.TrimSpace(data)) == "null" {
			return value, fmt.Errorf("%w: it is null", ErrEmpty)
		}
		err = json.Unmarshal(data, &value)
		return value, err
	}
}

// Text returns the data as a string.
func Text() Codec[string] {
	return func(data []byte) (string, error) { return string(data), nil }
}

// Bytes returns a copy of the data.
func Bytes() Codec[[]byte] {
	return func(data []byte) ([]byte, error) { return bytes.Clone(data), nil }
}
