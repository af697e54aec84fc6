package realzk

// TB is the part of testing.TB that this package needs. It is repeated here so
// that no package outside of tests imports testing.
type TB interface {
	Helper()
	Name() string
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Skipf(format string, args ...any)
	Fatalf(format string, args ...any)
}
