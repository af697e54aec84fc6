package cache

import (
	"bytes"
	"encoding/json"
)

// Codec makes a value of a node's data, or says why it cannot. It must not keep or modify data.
type Codec[T any] func(data []byte) (T, error)

// JSON decodes with encoding/json. Nothing but white space may follow the value.
func JSON[T any]() Codec[T] {
	return func(data []byte) (value T, err error) {
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
