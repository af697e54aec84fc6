// Package report writes the results of the benchmark: as a table for the terminal, as Markdown, as JSON and as SVG plots.
package report
