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

// Use is what the process uses at a moment.
type Use struct {
	heap       float64
	goroutines int
}

// NewUse takes the present use.
func NewUse() Use { return Use{Heap(), runtime.NumGoroutine()} }

// Since returns, as values of an answer, what the process uses now beyond what it used then.
func (u Use) Since() map[string]float64 {
	return map[string]float64{"heap_bytes": Heap() - u.heap, "goroutines": float64(runtime.NumGoroutine() - u.goroutines)}
}
