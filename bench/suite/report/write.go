package report

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"github.com/docent-zk/docent/bench/suite/contest"
)

// Write writes the report into a directory: name.md, name.json with the figures of every turn, and the plots.
func Write(dir, name string, r contest.Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	files := map[string][]byte{name + ".json": append(raw, '\n')}
	var plots []plot
	if len(r.Results) > 0 {
		plots = append(plots, plot{name + ".svg", "Docent beside its peers, as ratios", overview(r)})
	}
	for _, g := range r.Growth {
		plots = append(plots, plot{name + "-" + g.ID + ".svg", "Growth of " + g.Of + ": " + g.Title, growthPlot(g)})
	}
	for _, p := range plots {
		files[p.file] = []byte(p.svg)
	}
	files[name+".md"] = []byte(Markdown(name, r, plots))
	var errs []error
	for file, text := range files {
		errs = append(errs, replace(filepath.Join(dir, file), text))
	}
	return errors.Join(errs...)
}

// replace writes a file so that it is always complete.
func replace(path string, text []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// plot is a picture in a file of its own.
type plot struct{ file, title, svg string }
