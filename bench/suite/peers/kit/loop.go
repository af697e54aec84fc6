package kit

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/docent-zk/docent/bench/suite/line"
)

// maxSamples is how many samples an answer carries.
const maxSamples = 101

// Repeat lets callers repeat an operation until d is over, and waits until all have ended. An operation is counted even if
// it ends late: the time that is reported goes on until then. Each takes one sample. If d is 0 each caller does the
// operation once. The first error ends everything.
func Repeat(ctx context.Context, d time.Duration, callers int, op func(ctx context.Context, caller int) error) (line.Answer, error) {
	return Paced(ctx, d, 0, callers, op)
}

// Paced is Repeat with a pause after each operation of a caller, which is not part of the sample.
func Paced(ctx context.Context, d, pause time.Duration, callers int, op func(ctx context.Context, caller int) error) (line.Answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	samples, errs := make([][]float64, callers), make([]error, callers)
	cpu, begin := CPU(), time.Now()
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			if samples[i], errs[i] = repeat(ctx, begin, d, pause, i, op); errs[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	answer := line.Answer{ElapsedUS: Micro(time.Since(begin)), CPUUS: Micro(CPU() - cpu)}
	var all []float64
	for _, s := range samples {
		all = append(all, s...)
	}
	answer.Ops, answer.SamplesUS = len(all), thin(all, maxSamples)
	return answer, firstCause(errs)
}

func repeat(ctx context.Context, begin time.Time, d, pause time.Duration, caller int, op func(context.Context, int) error) (samples []float64, err error) {
	for {
		at := time.Now()
		if err := op(ctx, caller); err != nil {
			return samples, err
		}
		last := time.Now()
		samples = append(samples, Micro(last.Sub(at)))
		if last.Sub(begin) >= d {
			return samples, nil
		}
		if pause > 0 {
			time.Sleep(pause)
		}
	}
}

// firstCause prefers what went wrong to what was cancelled because of it.
func firstCause(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return errors.Join(errs...)
}

// Once measures one call of f.
func Once(f func() error) (line.Answer, error) {
	cpu, begin := CPU(), time.Now()
	err := f()
	took := Micro(time.Since(begin))
	return line.Answer{Ops: 1, ElapsedUS: took, CPUUS: Micro(CPU() - cpu), SamplesUS: []float64{took}}, err
}

// thin returns at most n of the figures, sorted: evenly spaced order statistics, with the least and the greatest. Quantiles
// of the result are close to those of the input.
func thin(figures []float64, n int) []float64 {
	sorted := slices.Sorted(slices.Values(figures))
	if len(sorted) <= n || n < 2 {
		return sorted
	}
	few := make([]float64, n)
	for i := range few {
		few[i] = sorted[int(math.Round(float64(i)*float64(len(sorted)-1)/float64(n-1)))]
	}
	return few
}

// Micro is a duration in microseconds.
func Micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
