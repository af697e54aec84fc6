// Package report shows what the benchmark has measured: as a table for the terminal, as Markdown, as JSON and as SVG plots.
package report
