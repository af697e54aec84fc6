package zktest

import (
	"fmt"
	"slices"

	"github.com/docent-zk/docent/internal/digestmd5"
	"github.com/docent-zk/docent/internal/jute"
)

// saslScheme is that of an identity that SASL has proved.
const saslScheme = "sasl"

// serveSASL answers one message of an exchange. Without users the server has no part in it, as a real one has none without a
// JAAS file: it answers with a null token. The connection of a client that is refused ends behind the answer.
func (s *Server) serveSASL(c *conn, r *request) {
	token := r.body.Buffer()
	if r.body.Err() != nil {
		s.hangUp(c)
		return
	}
	r.zxid = 0
	if s.cfg.SASLUsers == nil {
		s.reply(c, r, func(e *jute.Encoder) { e.Buffer(nil) })
		return
	}
	if c.sasl == nil {
		c.sasl = s.newExchange()
	}
	answer, done, err := c.sasl.Next(token)
	if err != nil {
		s.fail(c, r, ErrAuthFailed)
		s.hangUp(c)
		return
	}
	if done {
		c.addID(authID{saslScheme, c.sasl.User()})
		c.sasl = nil
	}
	s.reply(c, r, func(e *jute.Encoder) { e.Buffer(answer) })
}

func (s *Server) newExchange() *digestmd5.Server {
	s.exchanges++
	nonce := fmt.Sprintf("%x", s.password(-s.exchanges))
	return &digestmd5.Server{
		Service: "zookeeper", Host: "zk-sasl-md5", Nonce: func() string { return nonce },
		Password: func(user string) (string, bool) {
			password, ok := s.cfg.SASLUsers[user]
			return password, ok
		},
	}
}

// demandsSASL ends the connection of a client that has not authenticated, where that is demanded.
func (s *Server) demandsSASL(c *conn, r *request) bool {
	proved := func(id authID) bool { return id.scheme == saslScheme }
	if !s.cfg.RequireSASL || r.op == OpSASL || r.op == OpAuth || slices.ContainsFunc(c.ids, proved) {
		return false
	}
	r.zxid = 0
	s.fail(c, r, ErrSASLRequired)
	s.hangUp(c)
	return true
}
