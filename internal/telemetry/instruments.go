package telemetry

import (
	"errors"

	"go.opentelemetry.io/otel/metric"
)

// instruments are the synchronous instruments.
type instruments struct {
	duration    metric.Float64Histogram
	retries     metric.Int64Counter
	acquire     metric.Float64Histogram
	hold        metric.Float64Histogram
	lost        metric.Int64Counter
	transitions metric.Int64Counter
	sync        metric.Float64Histogram
	panics      metric.Int64Counter
}

// Bucket boundaries of histograms, in seconds: those of the conventions for operations, and wider ones for waits.
var (
	quick = metric.WithExplicitBucketBoundaries(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10)
	slow  = metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600, 21600, 86400)
)

// instrument creates all instruments. Its error names those that the provider rejects.
func (c *Client) instrument(m metric.Meter) error {
	var b maker
	b.meter = m
	c.instruments = instruments{
		duration: b.histogram("db.client.operation.duration", "Duration of operations.", quick),
		retries:  b.counter("docent.operation.retries", "{retry}", "Operations tried again."),
		acquire:  b.histogram("docent.acquire.duration", "Time until a claim was granted, or the wait given up.", slow),
		hold:     b.histogram("docent.hold.duration", "Time for which claims were held.", slow),
		lost:     b.counter("docent.claims.lost", "{claim}", "Claims that ended otherwise than by their holder."),
		transitions: b.counter("docent.leader.transitions", "{transition}",
			"Terms of leadership that this process has begun and ended."),
		panics: b.counter("docent.panics", "{panic}", "Panics of functions that were given to docent."),
		sync:   b.histogram("docent.cache.sync.duration", "Time until a cache was fresh.", slow),
	}
	return errors.Join(append(b.errs, c.observe(&b))...)
}

// maker creates instruments and collects errors.
type maker struct {
	meter metric.Meter
	errs  []error
	all   []metric.Observable
}

func (b *maker) note(err error) {
	if err != nil {
		b.errs = append(b.errs, err)
	}
}

func (b *maker) histogram(name, text string, bounds metric.HistogramOption) metric.Float64Histogram {
	i, err := b.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(text), bounds)
	b.note(err)
	return i
}

func (b *maker) counter(name, unit, text string) metric.Int64Counter {
	i, err := b.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(text))
	b.note(err)
	return i
}

func (b *maker) total(name, unit, text string) metric.Int64Observable {
	i, err := b.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
	return b.observed(i, err)
}

func (b *maker) number(name, unit, text string) metric.Int64Observable {
	i, err := b.meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(text))
	return b.observed(i, err)
}

func (b *maker) observed(i metric.Int64Observable, err error) metric.Int64Observable {
	b.note(err)
	b.all = append(b.all, i)
	return i
}

func (b *maker) seconds(name, text string) metric.Float64Observable {
	i, err := b.meter.Float64ObservableGauge(name, metric.WithUnit("s"), metric.WithDescription(text))
	b.note(err)
	b.all = append(b.all, i)
	return i
}
