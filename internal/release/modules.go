package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

// module is one of the public modules.
type module struct {
	path string // github.com/docent-zk/docent/cmd/docent
	dir  string // of its go.mod, absolute
	sub  string // of dir from the root, with slashes; "" for the root
	file *modfile.File
}

// tag is the name of the tag of a version.
func (m *module) tag(version string) string { return path.Join(m.sub, version) }

// required are the versions of the repository's own modules that it requires.
func (m *module) required(all []*module) map[string]string {
	own := make(map[string]string)
	for _, r := range m.file.Require {
		if slices.ContainsFunc(all, func(o *module) bool { return o.path == r.Mod.Path }) {
			own[r.Mod.Path] = r.Mod.Version
		}
	}
	return own
}

// private are directories whose modules nobody requires from outside.
var private = []string{"internal", "bench"}

// publicModules finds the public modules of a repository, the root first.
func publicModules(root string) ([]*module, error) {
	var all []*module
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		sub := strings.TrimPrefix(filepath.ToSlash(rel), ".")
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "testdata" || sub == "" && slices.Contains(private, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if d.Name() != "go.mod" {
			return nil
		}
		m, err := readModule(filepath.Dir(name), sub)
		all = append(all, m)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 || !slices.ContainsFunc(all, func(m *module) bool { return m.sub == "" }) {
		return nil, fmt.Errorf("%s is not the root of a module", root)
	}
	slices.SortFunc(all, func(a, b *module) int { return cmp.Compare(a.sub, b.sub) })
	return all, nil
}

func readModule(dir, sub string) (*module, error) {
	name := filepath.Join(dir, "go.mod")
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	file, err := modfile.Parse(name, text, nil)
	if err != nil {
		return nil, err
	}
	if file.Module == nil {
		return nil, fmt.Errorf("%s has no module directive", name)
	}
	return &module{path: file.Module.Mod.Path, dir: dir, sub: sub, file: file}, nil
}
