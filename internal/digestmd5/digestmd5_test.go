package digestmd5

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fixed(s string) func() string { return func() string { return s } }

// The example of RFC 2831, chapter 4.
func TestExampleOfTheRFC(t *testing.T) {
	c := &Client{User: "chris", Password: "secret", Service: "imap", Host: "elwood.innosoft.com", Nonce: fixed("OA6MHXh6VqTrRk")}
	answer, done, err := c.Next(nil)
	require.NoError(t, err)
	assert.Empty(t, answer)
	assert.False(t, done)
	answer, done, err = c.Next([]byte(`realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8`))
	require.NoError(t, err)
	assert.False(t, done)
	assert.Contains(t, string(answer), "response=d388dad90d4bbd760a152321f2143af7")
	_, done, err = c.Next([]byte("rspauth=ea40f60335c427b5527b84dbabcdfffd"))
	require.NoError(t, err)
	assert.True(t, done)
	_, _, err = c.Next(nil)
	require.Error(t, err)
}

// exchangeBetween plays both sides and returns what each made of it.
func exchangeBetween(c *Client, s *Server) (clientErr, serverErr error) {
	var message []byte
	for {
		answer, over, err := c.Next(message)
		if err != nil || over {
			return err, nil
		}
		if message, _, err = s.Next(answer); err != nil {
			return nil, err
		}
	}
}

func sides(user, password, known string) (*Client, *Server) {
	return &Client{User: user, Password: password, Service: "zookeeper", Host: "zk", Nonce: fixed("c")},
		&Server{Service: "zookeeper", Host: "zk", Nonce: fixed("s"), Password: func(name string) (string, bool) { return known, name == user }}
}

func TestNamesAndPasswords(t *testing.T) {
	for _, name := range []string{"a", `quoted "name"`, `back\slash`, "Jürgen", "名前", "a,b=c d"} {
		c, s := sides(name, "pässword"+name, "pässword"+name)
		clientErr, serverErr := exchangeBetween(c, s)
		require.NoError(t, clientErr, name)
		require.NoError(t, serverErr, name)
		assert.Equal(t, name, s.User())
	}
	c, s := sides("a", "wrong", "right")
	_, err := exchangeBetween(c, s)
	require.ErrorIs(t, err, ErrClient)
	assert.Empty(t, s.User())
	c, s = sides("a", "x", "x")
	s.Password = func(string) (string, bool) { return "", false }
	_, err = exchangeBetween(c, s)
	require.ErrorIs(t, err, ErrClient)
}

// The client refuses a server that does not know the password.
func TestServerHasToProveItself(t *testing.T) {
	c, _ := sides("a", "x", "x")
	_, _, err := c.Next(nil)
	require.NoError(t, err)
	_, _, err = c.Next([]byte(`realm="zk",nonce="s",algorithm=md5-sess,charset=utf-8`))
	require.NoError(t, err)
	_, _, err = c.Next([]byte("rspauth=" + strings.Repeat("0", 32)))
	require.ErrorIs(t, err, ErrServer)
}

func TestChallengesThatAreRefused(t *testing.T) {
	for challenge, why := range map[string]string{
		"":                                       "nonce",
		`nonce="a"`:                              "algorithm",
		`nonce="a",nonce="b",algorithm=md5-sess`: "twice",
		`nonce="a",algorithm=md5`:                "md5-sess only",
		`nonce="a",algorithm=md5-sess,qop="auth-conf"`: "authentication only",
		`nonce="a",algorithm=md5-sess,charset=latin`:   "character set",
		`nonce="a`:                         "without an end",
		`nonce="a\`:                        "without an end",
		`nonce=,algorithm=md5-sess`:        "no value",
		`=a`:                               "without a name",
		`a b=c`:                            "without a name",
		strings.Repeat("a=b,", maxMessage): "more than",
	} {
		c, _ := sides("a", "x", "x")
		_, _, _ = c.Next(nil)
		_, _, err := c.Next([]byte(challenge))
		require.ErrorContains(t, err, why, challenge)
	}
	latin := []byte(`nonce="a",algorithm=md5-sess`)
	c, _ := sides("名前", "x", "x")
	_, _, _ = c.Next(nil)
	_, _, err := c.Next(latin)
	require.ErrorContains(t, err, "ISO 8859-1")
	c, _ = sides("Jürgen", "x", "x")
	_, _, _ = c.Next(nil)
	answer, _, err := c.Next(latin)
	require.NoError(t, err)
	assert.Contains(t, string(answer), "username=\"J\xfcrgen\"")
}

func FuzzMessages(f *testing.F) {
	f.Add([]byte(`realm="zk",nonce="s",algorithm=md5-sess,charset=utf-8`))
	f.Add([]byte(`username="a",realm="zk",nonce="s",cnonce="c",nc=00000001,qop=auth,digest-uri="zookeeper/zk",response=0`))
	f.Fuzz(func(t *testing.T, message []byte) {
		c, s := sides("a", "x", "x")
		_, _, _ = c.Next(nil)
		_, _, _ = c.Next(message)
		_, done, _ := c.Next(message)
		require.False(t, done, "nobody proves itself by chance")
		_, _, _ = s.Next(nil)
		_, done, _ = s.Next(message)
		require.False(t, done)
	})
}

// A response that was recorded on one connection is refused on the next one.
func TestRecordedExchange(t *testing.T) {
	c, s := sides("a", "x", "x")
	challenge, _, err := s.Next(nil)
	require.NoError(t, err)
	_, _, err = c.Next(nil)
	require.NoError(t, err)
	response, _, err := c.Next(challenge)
	require.NoError(t, err)
	_, next := sides("a", "x", "x")
	next.Nonce = fixed("another")
	_, _, err = next.Next(nil)
	require.NoError(t, err)
	_, _, err = next.Next(response)
	require.ErrorIs(t, err, ErrClient)
	_, done, err := s.Next(response)
	require.NoError(t, err)
	assert.True(t, done, "where it belongs")
}
