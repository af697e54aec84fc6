// Package arguments has no code. Its tests call every exported constructor and option of the public packages with
// arguments that are not valid: nil clients and functions, empty names, negative limits and malformed paths. Each call
// must be refused at once, without a request.
package arguments
