package digestmd5

import (
	"errors"
	"strings"
)

// Server is the server's side of one exchange. It is used once.
type Server struct {
	Service, Host string
	Nonce         func() string
	// Password returns that of a user, and whether there is one.
	Password func(user string) (password string, ok bool)

	nonce string
	step  int
	user  string
}

// ErrClient says that the password is wrong, or the user unknown.
var ErrClient = errors.New("the client did not prove that it knows the password")

// Next answers the message of the client, which is empty at first. done says that the client is User from now on.
func (s *Server) Next(message []byte) (answer []byte, done bool, err error) {
	s.step++
	switch s.step {
	case 1:
		s.nonce = s.Nonce()
		return []byte(quoted("realm", s.Host) + "," + quoted("nonce", s.nonce) + ",charset=utf-8,algorithm=md5-sess"), false, nil
	case 2:
		answer, err = s.judge(message)
		return answer, err == nil, err
	}
	return nil, false, errors.New("a message after the end of the exchange")
}

// User is the name of the client, "" until it has proved itself.
func (s *Server) User() string { return s.user }

// judge looks at the client's proof, and makes the server's.
func (s *Server) judge(message []byte) ([]byte, error) {
	list, err := parse(message)
	if err != nil {
		return nil, err
	}
	got := exchange{realm: list.realm(""), uri: s.Service + "/" + s.Host}
	var uri, proof, uses string
	for name, to := range map[string]*string{
		"username": &got.user, "nonce": &got.nonce, "cnonce": &got.cnonce, "digest-uri": &uri, "response": &proof, "nc": &uses,
	} {
		if *to, err = list.need(name); err != nil {
			return nil, err
		}
	}
	password, ok := s.Password(got.user)
	got.password = password
	if !ok || got.nonce != s.nonce || got.realm != s.Host || uses != count || !strings.EqualFold(uri, got.uri) {
		return nil, ErrClient
	}
	got.uri = uri
	if !same(proof, got.client()) {
		return nil, ErrClient
	}
	s.user = got.user
	return []byte("rspauth=" + got.server()), nil
}
