// Package measure holds the arithmetic of the benchmark: order statistics, paired ratios, the fit of a power law, and the
// order in which peers take their turns. It knows nothing of servers and peers, and nothing of time.
//
// A figure is never compared across rounds. In each round every peer does the same work once, so that what disturbs the
// machine meets all of them, and a ratio is made of two figures of the same round. What is reported is the median of these
// ratios, with the quartiles as their spread.
package measure
