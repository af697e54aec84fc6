package framework

import (
	"testing"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestValidPaths(t *testing.T) {
	for _, p := range []string{
		"/", "/a", "/a/b/c", "a", "a/b", "/a.b", "/...", "/.a", "/a..", "/ä/日本", "/a b", "/-_:@", "/\u00a0", "/\ufdd0", "/\uffef", "/0000000001",
	} {
		assert.NoError(t, ValidatePath(p), "%q", p)
	}
}

func TestInvalidPaths(t *testing.T) {
	for p, rule := range map[string]string{
		"":              "it is empty",
		"/a/":           "ends with a slash",
		"a/":            "ends with a slash",
		"//":            "ends with a slash",
		"//a":           "empty element",
		"/a//b":         "empty element",
		"/.":            `relative element "."`,
		"/..":           `relative element ".."`,
		"/a/./b":        `relative element "."`,
		"/a/../b":       `relative element ".."`,
		"..":            `relative element ".."`,
		"/a\x00b":       "U+0000",
		"/\x1f":         "U+001F",
		"/\x7f":         "U+007F",
		"/\u009f":       "U+009F",
		"/\ue000":       "U+E000",
		"/\uf8ff":       "U+F8FF",
		"/\ufff0":       "U+FFF0",
		"/\uffff":       "U+FFFF",
		"/😀":            "U+1F600",
		"/a\xff":        "not UTF-8",
		"/\xed\xa0\x80": "not UTF-8", // a surrogate
		"\n":            "U+000A",
	} {
		err := ValidatePath(p)
		var bad *PathError
		require.ErrorAs(t, err, &bad, "%q", p)
		assert.Equal(t, p, bad.Path)
		assert.ErrorContains(t, err, rule, "%q", p)
		require.ErrorIs(t, err, ErrInvalidPath)
		require.ErrorIs(t, err, zk.ErrInvalidPath)
	}
}

func TestJoin(t *testing.T) {
	for want, elem := range map[string][]string{
		"":       {},
		"/":      {"/"},
		"/a":     {"/", "a"},
		"/a/b":   {"/a", "b"},
		"/a/b/c": {"/a/", "/b/", "/c"},
		"a/b":    {"a", "b"},
		"/x/y/z": {"/x", "y/z"},
		"/one/ ": {"/one", " "},
	} {
		assert.Equal(t, want, Join(elem...), "%q", elem)
	}
}

func TestSplit(t *testing.T) {
	for path, want := range map[string][2]string{
		"/":      {"/", ""},
		"/a":     {"/", "a"},
		"/a/b":   {"/a", "b"},
		"/a/b/c": {"/a/b", "c"},
		"a":      {"/", "a"},
		"/a/b/":  {"/a/b", ""},
	} {
		parent, name := Split(path)
		assert.Equal(t, want, [2]string{parent, name}, path)
	}
}

func TestSpaces(t *testing.T) {
	for _, c := range []struct {
		space       space
		path        string
		server, own string
	}{
		{"", "/", "/", "/"},
		{"", "/a/b", "/a/b", "/a/b"},
		{"", "a/b", "/a/b", "/a/b"},
		{"/app", "/", "/app", "/"},
		{"/app", "/a", "/app/a", "/a"},
		{"/app", "a", "/app/a", "/a"},
		{"/app", "/app", "/app/app", "/app"},
		{"/app/ns", "/a/b", "/app/ns/a/b", "/a/b"},
	} {
		at, err := c.space.resolve(c.path)
		require.NoError(t, err)
		assert.Equal(t, c.server, at)
		assert.Equal(t, c.own, c.space.local(at))
	}
	for _, c := range []struct{ space, namespace, want string }{
		{"", "ns", "/ns"}, {"", "/ns", "/ns"}, {"", "/", ""}, {"", "", ""}, {"/app", "ns/sub", "/app/ns/sub"},
		{"/app", "/", "/app"}, {"/app", "", "/app"},
	} {
		child, err := space(c.space).child(c.namespace)
		require.NoError(t, err)
		assert.Equal(t, space(c.want), child)
	}
	for _, bad := range []string{"//ns", "ns/", "a//b", "..", "a/../b"} {
		_, err := space("/app").child(bad)
		require.ErrorIs(t, err, ErrInvalidPath, bad)
	}
}
