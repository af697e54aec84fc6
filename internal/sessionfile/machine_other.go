//go:build !linux && !darwin

package sessionfile

// boot is not known.
func boot() string { return "" }
