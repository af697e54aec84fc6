// Package accept answers the question of HTTP's Accept header (RFC 9110, section 12.5.1): which of the formats that a handler
// has does the client want most?
//
// What cannot be parsed is left out. A client that accepts none of them gets the first: a probe or a person is better served
// by an answer in another format than by 406.
package accept
