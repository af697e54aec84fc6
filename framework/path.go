package framework

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// PathError says why ZooKeeper does not allow a path. It unwraps to [ErrInvalidPath].
type PathError struct {
	Path   string // as given by the caller
	Reason string // the rule that it violates
}

// Error names the path and the rule that it violates.
func (e *PathError) Error() string { return fmt.Sprintf("invalid path %q: %s", e.Path, e.Reason) }

// Unwrap returns [ErrInvalidPath].
func (e *PathError) Unwrap() error { return ErrInvalidPath }

// ValidatePath returns a [*PathError] if ZooKeeper does not allow path. A path without a leading slash is relative to
// the client's namespace; the same rules apply to it. The rules are those of ZooKeeper's PathUtils, which servers apply
// to every create.
func ValidatePath(path string) error {
	if reason := pathFault(path); reason != "" {
		return &PathError{Path: path, Reason: reason}
	}
	return nil
}

func pathFault(path string) string {
	switch {
	case path == "":
		return "it is empty; the root of the namespace is \"/\""
	case path == "/":
		return ""
	case strings.HasSuffix(path, "/"):
		return "it ends with a slash"
	case !utf8.ValidString(path):
		return "it is not UTF-8"
	}
	for elem := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if reason := elementFault(elem); reason != "" {
			return reason
		}
	}
	return ""
}

func elementFault(elem string) string {
	switch elem {
	case "":
		return "it has an empty element (two slashes in a row)"
	case ".", "..":
		return fmt.Sprintf("relative element %q is not allowed", elem)
	}
	for _, r := range elem {
		if forbidden(r) {
			return fmt.Sprintf("character %U is not allowed", r)
		}
	}
	return ""
}

// forbidden reports whether servers refuse a character. Characters outside the basic plane are surrogates on a Java
// server.
func forbidden(r rune) bool {
	return r <= 0x1f || r >= 0x7f && r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0
}

// Abs returns path as an absolute path of the client's namespace: "a/b" becomes "/a/b". Recipes call it once on the
// paths that they receive, since docent returns absolute paths only. It does not validate: a path that [ValidatePath]
// refuses, such as the empty path, is refused afterwards as well.
func Abs(path string) string {
	if path == "" || path[0] == '/' {
		return path
	}
	return "/" + path
}

// Join joins path elements with slashes, without doubling them. Join("/", "a") is "/a".
func Join(elem ...string) string {
	var b strings.Builder
	for i, e := range elem {
		if i > 0 {
			e = strings.TrimPrefix(e, "/")
			if !strings.HasSuffix(b.String(), "/") {
				b.WriteByte('/')
			}
		}
		b.WriteString(strings.TrimSuffix(e, "/"))
		if e == "/" && i == 0 {
			b.WriteByte('/')
		}
	}
	return b.String()
}

// Split cuts an absolute path into its parent and its last element: "/a/b" into "/a" and "b", "/a" into "/" and "a".
func Split(path string) (parent, name string) {
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return "/", path[i+1:]
	}
	return path[:i], path[i+1:]
}

// space maps a client's paths to the server's: the chroot of the connect string followed by the namespaces.
type space string

// name is the path of the space, "/" for all there is.
func (s space) name() string { return cmp.Or(string(s), "/") }

// resolve checks path and returns it as the server knows it.
func (s space) resolve(path string) (string, error) {
	if err := ValidatePath(path); err != nil {
		return "", err
	}
	switch {
	case path == "/" && s == "":
		return "/", nil
	case path == "/":
		return string(s), nil
	case path[0] != '/':
		return string(s) + "/" + path, nil
	default:
		return string(s) + path, nil
	}
}

// local turns a server's path back into the client's absolute one.
func (s space) local(path string) string {
	if p := strings.TrimPrefix(path, string(s)); p != "" {
		return p
	}
	return "/"
}

// below returns those of the server's paths that are at, or below it, as the client's, sorted.
func (s space) below(at string, paths []string) []string {
	list := make([]string, 0, len(paths))
	for _, p := range paths {
		if at == "/" || p == at || strings.HasPrefix(p, at+"/") {
			list = append(list, s.local(p))
		}
	}
	slices.Sort(list)
	return list
}

// child returns the space of a namespace inside s. A namespace is written with or without its leading slash.
func (s space) child(namespace string) (space, error) {
	p, err := s.resolve("/" + strings.TrimPrefix(namespace, "/"))
	if err != nil || p == "/" {
		return s, err
	}
	return space(p), nil
}
