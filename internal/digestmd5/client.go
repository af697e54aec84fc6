package digestmd5

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Client is the client's side of one exchange. It is used once.
type Client struct {
	User, Password string
	Service, Host  string // of the server, as it knows itself: ZooKeeper's are "zookeeper" and "zk-sasl-md5"
	Nonce          func() string

	sent exchange
	step int
}

// ErrServer says that the server has not proved that it knows the password.
var ErrServer = errors.New("the server did not prove that it knows the password")

// Next answers the message of the server, nil at first. done says that the exchange is over and that both sides have proved
// themselves.
func (c *Client) Next(message []byte) (answer []byte, done bool, err error) {
	c.step++
	switch c.step {
	case 1:
		return nil, false, nil
	case 2:
		answer, err = c.respond(message)
		return answer, false, err
	case 3:
		err = c.verify(message)
		return nil, err == nil, err
	}
	return nil, false, errors.New("a message after the end of the exchange")
}

// respond answers the challenge.
func (c *Client) respond(message []byte) ([]byte, error) {
	list, err := parse(message)
	if err != nil {
		return nil, err
	}
	nonce, err := list.need("nonce")
	if err != nil {
		return nil, err
	}
	utf8, err := list.acceptable()
	if err != nil {
		return nil, err
	}
	c.sent = exchange{
		user: c.User, password: c.Password, realm: list.realm(c.Host), nonce: nonce, cnonce: c.Nonce(), uri: c.Service + "/" + c.Host,
	}
	name := c.User
	if !utf8 {
		if name = narrow(name); name == c.User && !ascii(name) {
			return nil, errors.New("the server takes names in ISO 8859-1 only, and this one has other characters")
		}
	}
	answer := []string{
		quoted("username", name), quoted("realm", c.sent.realm), quoted("nonce", nonce), quoted("cnonce", c.sent.cnonce),
		"nc=" + count, "qop=" + qop, quoted("digest-uri", c.sent.uri), "response=" + c.sent.client(),
	}
	if utf8 {
		answer = append([]string{"charset=utf-8"}, answer...)
	}
	return []byte(strings.Join(answer, ",")), nil
}

// acceptable checks what the challenge offers. utf8 says that names are in UTF-8.
func (l directives) acceptable() (utf8 bool, err error) {
	algorithm, err := l.need("algorithm")
	if err != nil {
		return false, err
	}
	if !strings.EqualFold(algorithm, "md5-sess") {
		return false, fmt.Errorf("the algorithm %q, where DIGEST-MD5 has md5-sess only", algorithm)
	}
	offered, ok, err := l.one("qop")
	if err != nil {
		return false, err
	}
	if ok && !slices.ContainsFunc(strings.Split(offered, ","), func(s string) bool { return strings.EqualFold(strings.TrimSpace(s), qop) }) {
		return false, fmt.Errorf("the server wants one of %q, where ZooKeeper's protocol has authentication only", offered)
	}
	charset, utf8, err := l.one("charset")
	if err == nil && utf8 && !strings.EqualFold(charset, "utf-8") {
		err = fmt.Errorf("the character set %q", charset)
	}
	return utf8, err
}

// realm is the first one that the server offers, or its name.
func (l directives) realm(host string) string {
	for _, d := range l {
		if d.name == "realm" {
			return d.value
		}
	}
	return host
}

// verify looks at the server's proof.
func (c *Client) verify(message []byte) error {
	list, err := parse(message)
	if err != nil {
		return err
	}
	proof, err := list.need("rspauth")
	if err != nil {
		return err
	}
	if !same(proof, c.sent.server()) {
		return ErrServer
	}
	return nil
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
