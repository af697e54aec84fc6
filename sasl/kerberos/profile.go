package kerberos

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// maxIncludes bounds how deep include directives nest, which ends a file that includes itself.
const maxIncludes = 8

// profile is the content of files in the format of krb5.conf. If a relation has several values, the first one counts, except for
// relations that are lists.
type profile struct{ root *section }

// section is a named group of relations and of further sections.
type section struct {
	relations []relation
	final     bool // later files add nothing
}

// relation has a value, or is a section.
type relation struct {
	name  string
	value string
	group *section
}

// readProfile reads files of which earlier ones take precedence. A file that is not there is left out, unless none is.
func readProfile(paths []string) (*profile, error) {
	p := &profile{root: &section{}}
	var missing error
	found := false
	for _, path := range paths {
		switch err := p.read(path, 0); {
		case err == nil:
			found = true
		case errors.Is(err, os.ErrNotExist):
			missing = err
		default:
			return nil, err
		}
	}
	if !found {
		return nil, missing
	}
	return p, nil
}

func (p *profile) read(path string, depth int) error {
	if depth > maxIncludes {
		return fmt.Errorf("%s: includes are nested more than %d deep", path, maxIncludes)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	r := reader{profile: p, path: path, depth: depth}
	lines := bufio.NewScanner(strings.NewReader(string(text)))
	for lines.Scan() {
		r.number++
		if err := r.line(strings.TrimSpace(lines.Text())); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if len(r.open) > 1 {
		return r.errorf("a brace is not closed")
	}
	return nil
}

// reader is the state of reading one file.
type reader struct {
	profile *profile
	path    string
	depth   int
	number  int
	open    []*section // innermost last; empty ahead of the first section
}

func (r *reader) errorf(format string, args ...any) error {
	return fmt.Errorf("%s:%d: "+format, append([]any{r.path, r.number}, args...)...)
}

func (r *reader) line(line string) error {
	switch word, rest, _ := strings.Cut(line, " "); {
	case line == "" || line[0] == '#' || line[0] == ';':
		return nil
	case line[0] == '[':
		return r.header(line)
	case word == "include":
		return r.profile.read(strings.TrimSpace(rest), r.depth+1)
	case word == "includedir":
		return r.includeDir(strings.TrimSpace(rest))
	case word == "module":
		return nil // a plugin of the C library
	case len(r.open) == 0:
		return r.errorf("a relation ahead of the first section")
	case line[0] == '}':
		if len(r.open) == 1 {
			return r.errorf("a brace is closed that is not open")
		}
		r.open = r.open[:len(r.open)-1]
		return nil
	}
	return r.relation(line)
}

// header begins a top-level section, as in [realms].
func (r *reader) header(line string) error {
	name, after, closed := strings.Cut(line[1:], "]")
	if !closed {
		return r.errorf("a section without a closing bracket")
	}
	if len(r.open) > 1 {
		return r.errorf("a section inside of braces")
	}
	r.open = []*section{r.profile.root.sub(strings.TrimSpace(name), strings.HasPrefix(after, "*"))}
	return nil
}

func (r *reader) relation(line string) error {
	name, value, ok := strings.Cut(line, "=")
	if name = strings.TrimSpace(name); !ok || name == "" {
		return r.errorf("a line that is neither a section nor name = value")
	}
	in := r.open[len(r.open)-1]
	switch value = strings.TrimSpace(value); {
	case strings.HasPrefix(value, "{"):
		r.open = append(r.open, in.sub(strings.TrimSuffix(name, "*"), strings.HasSuffix(name, "*")))
	default:
		in.relations = append(in.relations, relation{name: strings.TrimSuffix(name, "*"), value: unquote(value)})
	}
	return nil
}

func unquote(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
		return strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\b`, "\b", `\"`, `"`, `\\`, `\`).Replace(value)
	}
	return value
}

// included are the names that includedir reads: letters, digits, dashes and underscores, or anything that ends in .conf.
var included = regexp.MustCompile(`^([A-Za-z0-9_-]+|[^.].*\.conf)$`)

func (r *reader) includeDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil // distributions name a directory that they do not make
	}
	if err != nil {
		return err
	}
	for _, entry := range entries { // in the order of their names
		path := filepath.Join(dir, entry.Name())
		info, err := os.Stat(path)
		if err != nil || info.IsDir() || !included.MatchString(entry.Name()) {
			continue
		}
		if err := r.profile.read(path, r.depth+1); err != nil {
			return err
		}
	}
	return nil
}

// sub returns the section of that name for reading further relations into it. Those go nowhere once it is final.
func (s *section) sub(name string, final bool) *section {
	i := slices.IndexFunc(s.relations, func(r relation) bool { return r.group != nil && r.name == name })
	if i < 0 {
		made := &section{final: final}
		s.relations = append(s.relations, relation{name: name, group: made})
		return made
	}
	if s.relations[i].group.final {
		return &section{}
	}
	s.relations[i].group.final = final
	return s.relations[i].group
}

// section returns the one at a path, empty if there is none.
func (p *profile) section(path ...string) *section {
	at := p.root
	for _, name := range path {
		i := slices.IndexFunc(at.relations, func(r relation) bool { return r.group != nil && r.name == name })
		if i < 0 {
			return &section{}
		}
		at = at.relations[i].group
	}
	return at
}

// all returns the values of a relation, in their order.
func (s *section) all(name string) []string {
	var values []string
	for _, r := range s.relations {
		if r.group == nil && r.name == name {
			values = append(values, r.value)
		}
	}
	return values
}

// one returns the first value of a relation, and whether there is one.
func (s *section) one(name string) (string, bool) {
	if values := s.all(name); len(values) > 0 {
		return values[0], true
	}
	return "", false
}
