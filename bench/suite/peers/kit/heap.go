package kit

import (
	"runtime"
	"time"
)

// Heap is what the process uses in bytes when everything that is not needed has been freed: heap and stacks. It waits until
// clients that were just closed have released their memory.
func Heap() float64 {
	used := heapNow()
	for range 10 {
		time.Sleep(5 * time.Millisecond)
		before := used
		if used = heapNow(); used > before-(16<<10) {
			break
		}
	}
	return used
}

func heapNow() float64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc + stats.StackInuse)
}
