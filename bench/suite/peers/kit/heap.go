package kit

import "runtime"

// Heap is what the process uses in bytes when everything that is not needed has been freed: heap and stacks.
func Heap() float64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc + stats.StackInuse)
}
