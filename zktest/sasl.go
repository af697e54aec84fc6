package zktest

import (
	"fmt"
	"slices"

	"github.com/docent-zk/docent/internal/digestmd5"
	"github.com/docent-zk/docent/internal/jute"
)

// saslScheme is that of an identity that SASL has proved.
const saslScheme = "sasl"

// SASLExchange is the server's side of one authentication on one connection.
type SASLExchange interface {
	// Next answers a message of the client. done means that the client has proved that it is User; the answer that
	// comes with it is still sent. A nil answer is sent as a null token, as ZooKeeper does at the end of GSSAPI. An
	// error is answered with AUTHFAILED and ends the connection. Next is called while the server's lock is held, so it
	// must not call the server or wait.
	Next(message []byte) (answer []byte, done bool, err error)
	// User returns the id of the client, once proved.
	User() string
}

// serveSASL answers one message of an exchange. Without users the server has no part in it, as a real one has none without a
// JAAS file: it answers with a null token. The connection of a client that is refused ends behind the answer.
func (s *Server) serveSASL(c *conn, r *request) {
	token := r.body.Buffer()
	if r.body.Err() != nil {
		s.hangUp(c)
		return
	}
	r.zxid = 0
	if !s.cfg.takesSASL() {
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

// takesSASL reports whether the server takes part in exchanges.
func (c Config) takesSASL() bool { return c.SASLUsers != nil || c.SASL != nil }

func (s *Server) newExchange() SASLExchange {
	if s.cfg.SASL != nil {
		return s.cfg.SASL()
	}
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
