//go:build race

package wire

func init() { racing = true }
