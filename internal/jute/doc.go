// Package jute encodes and decodes ZooKeeper's wire format.
//
// Jute has no tags and no padding; a record is its fields in order, big-endian:
//
//	int      4 bytes
//	long     8 bytes
//	boolean  1 byte, 0 is false and everything else is true
//	buffer   int length, then that many bytes; length -1 is null
//	ustring  a buffer that holds UTF-8
//	vector   int count, then that many items; count -1 is null
//
// [Encoder] appends to a byte slice and cannot fail. [Decoder] reads from one and keeps the first error: every later
// read returns a zero value, so that a record is decoded in a straight line and checked once, with [Decoder.Err].
//
// # Guarantees
//
//   - No input makes a Decoder panic or read outside its slice.
//   - A Decoder allocates no more than a small multiple of the bytes it was given, whatever lengths and counts
//     those bytes claim.
//   - A null buffer or vector and an empty one are kept apart: null is nil, empty is not.
//   - A null string in a record is an error, [ErrNull], because no record here has a use for one.
//
// The record types are those of the client protocol that an in-process server has to read and write. Each has Encode
// and Decode, whichever side normally sends it, so that a client for tests needs no second codec.
package jute
