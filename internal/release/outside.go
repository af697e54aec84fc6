package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// workshop is a place outside of the repository from which its modules are used as others use them.
type workshop struct {
	dir     string
	env     []string
	version string
}

// openWorkshop serves the public modules from a module proxy of files. fallback is where other modules come from if the download cache
// of the go command does not have them.
func (r *repository) openWorkshop(ctx context.Context, dir, fallback string) (*workshop, error) {
	version, err := r.version()
	if err != nil {
		return nil, err
	}
	proxy := filepath.Join(dir, "proxy")
	for _, m := range r.modules {
		if err := m.writeProxy(proxy, version); err != nil {
			return nil, err
		}
	}
	cache, err := command(ctx, dir, nil, "go", "env", "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	downloads := filepath.Join(strings.TrimSpace(cache), "cache", "download")
	return &workshop{dir: dir, version: version, env: []string{
		"GOWORK=off", "GOFLAGS=-mod=mod -modcacherw -trimpath",
		"GOPROXY=" + fileURL(proxy) + "," + fileURL(downloads) + "," + fallback,
		"GOSUMDB=off", // it does not know unpublished versions, and the others were checked when they came into the download cache
		"GOMODCACHE=" + filepath.Join(dir, "cache"), "GOBIN=" + filepath.Join(dir, "bin"),
	}}, nil
}

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/
	}
	return "file://" + path
}

// version is the one in which the public modules require each other.
func (r *repository) version() (string, error) {
	version := ""
	for _, m := range r.modules {
		for path, v := range m.required(r.modules) {
			if version != "" && v != version {
				return "", fmt.Errorf("%s requires %s %s, others require %s", m.path, path, v, version)
			}
			version = v
		}
	}
	if version == "" {
		return "", errors.New("no nested module requires the root")
	}
	return version, nil
}

// module makes an empty module. It returns a function that runs the go command in it.
func (w *workshop) module(ctx context.Context, name string) (dir string, run func(args ...string) (string, error), err error) {
	dir = filepath.Join(w.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	run = func(args ...string) (string, error) { return command(ctx, dir, w.env, "go", args...) }
	_, err = run("mod", "init", "example.org/"+name)
	return dir, run, err
}

// outside uses every public module from an empty module, and compiles the programs of the pages.
func (r *repository) outside(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "outside")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fallback, err := command(ctx, r.root, nil, "go", "env", "GOPROXY")
	if err != nil {
		return err
	}
	w, err := r.openWorkshop(ctx, dir, strings.TrimSpace(fallback))
	if err != nil {
		return err
	}
	for i, m := range r.modules {
		_, run, err := w.module(ctx, fmt.Sprintf("get%d", i))
		if err != nil {
			return err
		}
		for _, args := range [][]string{{"get", m.path + "/...@" + w.version}, {"build", m.path + "/..."}} {
			fmt.Fprintln(r.out, "go", strings.Join(args, " "))
			if _, err := run(args...); err != nil {
				return err
			}
		}
	}
	return errors.Join(r.install(ctx, w), r.programs(ctx, w))
}

// install installs what the root's cmd has, as users do.
func (r *repository) install(ctx context.Context, w *workshop) error {
	for _, m := range r.modules {
		if !strings.HasPrefix(m.sub, "cmd/") {
			continue
		}
		fmt.Fprintln(r.out, "go install", m.path+"@"+w.version)
		if _, err := command(ctx, w.dir, w.env, "go", "install", m.path+"@"+w.version); err != nil {
			return err
		}
	}
	return nil
}

// programs compiles every complete program of the pages.
func (r *repository) programs(ctx context.Context, w *workshop) error {
	dir, run, err := w.module(ctx, "programs")
	if err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(r.root, "docs", "*.md"))
	if err != nil {
		return err
	}
	count := 0
	for _, page := range append(pages, filepath.Join(r.root, "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		for _, program := range programsIn(string(text)) {
			count++
			at := filepath.Join(dir, fmt.Sprintf("p%02d", count))
			if err := errors.Join(os.Mkdir(at, 0o755), os.WriteFile(filepath.Join(at, "main.go"), []byte(program), 0o600)); err != nil {
				return err
			}
		}
	}
	if _, err := run("get", r.modules[0].path+"@"+w.version); err != nil {
		return err
	}
	fmt.Fprintf(r.out, "go build: %d programs of README.md and docs\n", count)
	_, err = run("build", "./...")
	return err
}

// programsIn are the fenced blocks of Go in a page that are complete programs.
func programsIn(page string) []string {
	var all []string
	for {
		_, rest, found := strings.Cut(page, "```go\n")
		if !found {
			return all
		}
		text, after, _ := strings.Cut(rest, "```")
		if strings.HasPrefix(text, "package main\n") {
			all = append(all, text)
		}
		page = after
	}
}
