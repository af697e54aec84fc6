package recipes_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/node"
)

// What a recipe is given as an ACL, or as data, is its caller's again when the option is made.
func TestOptionsAreCopied(t *testing.T) {
	for name, open := range map[string]func(s *stage, acl []framework.ACL, data []byte) (forget func(change func()) string){
		"lock": func(s *stage, acl []framework.ACL, data []byte) func(func()) string {
			m := lock.New(s.cli, path, lock.WithACL(acl), lock.WithData(data))
			return func(change func()) string {
				change()
				held, err := m.Lock(s.Context())
				require.NoError(s, err)
				return held.Path()
			}
		},
		"election": func(s *stage, acl []framework.ACL, _ []byte) func(func()) string {
			e := leader.New(s.cli, path, leader.WithACL(acl), leader.WithID("mine"))
			return func(change func()) string {
				change()
				term, err := e.Campaign(s.Context())
				require.NoError(s, err)
				return term.Path()
			}
		},
		"kept node": func(s *stage, acl []framework.ACL, data []byte) func(func()) string {
			opt := node.WithACL(acl)
			return func(change func()) string {
				mine := append([]byte(nil), data...)
				change()
				k, err := node.Keep(s.Context(), s.cli, path, mine, opt)
				require.NoError(s, err)
				return k.Path()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onStage(t, func(s *stage) {
				acl, data := framework.OpenACL(), []byte("mine")
				at := open(s, acl, data)(func() {
					acl[0].Perms = 1
					copy(data, "else")
				})
				got, _, err := s.other.ACL(s.Context(), at)
				require.NoError(s, err)
				assert.Equal(s, framework.OpenACL(), got)
				n, err := s.other.Get(s.Context(), at)
				require.NoError(s, err)
				assert.Equal(s, "mine", string(n.Data))
			})
		})
	}
}
