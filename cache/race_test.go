//go:build race

package cache_test

// many is how many children a node has that has many.
const many = 10_000
