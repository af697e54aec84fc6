package leader_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

// matches reports whether a path or name ends as the pattern says.
func matches(pattern, name string) bool { return regexp.MustCompile(pattern + "$").MatchString(name) }

var namings = map[string][]leader.Option{"default": nil, "selector": {leader.Selector()}, "shared": {leader.Shared()}}

func TestNames(t *testing.T) {
	const guid = `_c_[0-9a-f-]{36}-`
	for name, want := range map[string][]string{
		"default": {guid + `latch-\d{10}`}, "selector": {guid + `lock-\d{10}`},
		"shared": {guid + `latch-\d{10}`, guid + `lock-\d{10}`, guid + `__lock__\d{10}`},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				e := leader.New(w.Connect("a"), path, append(namings[name], leader.WithID("Grüße"))...)
				term := elected(t, e)
				names := w.List(path)
				require.Len(t, names, len(want))
				for _, pattern := range want {
					var found string
					for _, name := range names {
						if data, _, err := w.Get(path + "/" + name); assert.NoError(t, err) {
							assert.Equal(t, "Grüße", string(data))
						}
						if assert.Regexp(t, guid, name) && matches(pattern, name) {
							found = name
						}
					}
					assert.NotEmpty(t, found, "%s in %v", pattern, names)
				}
				assert.True(t, matches(want[0], term.Path()))
				assert.Len(t, term.Checks(), len(want))
				list, err := e.Participants(t.Context())
				require.NoError(t, err)
				require.Len(t, list, 1)
				assert.Equal(t, term.Path(), list[0].Path)
				assert.Equal(t, term.Token(), list[0].Token)
				if len(names) > 1 {
					require.NoError(t, w.Delete(path+"/"+names[len(names)-1]))
					assert.ErrorIs(t, over(t, term, time.Second), leader.ErrDeleted, "all of them stand for the term")
				}
				_ = term.Resign(t.Context())
				time.Sleep(time.Second)
				assert.Empty(t, w.List(path))
			})
		})
	}
}

// Participants of docent exclude each other, however they are named.
func TestNamingsExcludeEachOther(t *testing.T) {
	for one, first := range namings {
		for other, second := range namings {
			t.Run(one+" and "+other, func(t *testing.T) {
				bubble(t, func(t *testing.T, w *world) {
					a := elected(t, leader.New(w.Connect("a"), path, append(first, leader.WithID("a"))...))
					before := len(w.List(path))
					added := map[string]int{"default": 1, "selector": 1, "shared": 3}[other]
					waiting := w.campaign(t.Context(), leader.New(w.Connect("b"), path, append(second, leader.WithID("b"))...), before+added)
					time.Sleep(time.Second)
					leads(t, a)
					assert.Empty(t, waiting)
					require.NoError(t, a.ResignTo(t.Context(), "b"))
					b := won(t, waiting)
					assert.Greater(t, b.Token(), a.Token())
					assert.Len(t, w.List(path), added)
				})
			})
		}
	}
}

// With Shared, whoever looks for one kind of name only finds a node of docent's before its own, and one behind it.
func TestSharedQueuesBeforeEachKind(t *testing.T) {
	for kind, name := range map[string]string{
		"latch-": "_c_0f8b3c1e-5d0a-4a53-9d5c-2f3f0a7f1e11-latch-", "lock-": "_c_0f8b3c1e5d0a4a539d5c2f3f0a7f1e11-lock-",
		"__lock__": "0f8b3c1e5d0a4a539d5c2f3f0a7f1e11__lock__",
	} {
		t.Run(kind, func(t *testing.T) {
			bubble(t, func(t *testing.T, w *world) {
				a := elected(t, leader.New(w.Connect("a"), path, leader.Shared(), leader.WithID("a")))
				other, err := w.Create(path+"/"+name, []byte("other"), zktest.PersistentSequential)
				require.NoError(t, err)
				b := w.campaign(t.Context(), leader.New(w.Connect("b"), path, leader.Shared(), leader.WithID("b")), 7)
				require.NoError(t, a.ResignTo(t.Context(), "other"))
				time.Sleep(time.Second)
				assert.Empty(t, b)
				list, err := leader.New(w.Connect("c"), path).Participants(t.Context())
				require.NoError(t, err)
				require.Len(t, list, 2)
				assert.Equal(t, other, list[0].Path)
				require.NoError(t, w.Delete(other))
				won(t, b)
			})
		})
	}
}
