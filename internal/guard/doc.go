// Package guard calls functions that users supply, such as codecs, in goroutines of their own, so that one that does not
// return cannot stop what waits for it.
package guard
