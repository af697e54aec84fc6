package sim

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/zktest"
)

// cachePart is a tree that a gardener changes and that clients mirror.
type cachePart struct {
	*base
	hist    *history
	texts   *history // of the node that Values read
	packed  bool     // all data is gzip
	serial  int
	mirrors []*mirror
	values  []*valued

	mu      sync.Mutex
	greeted map[string][]greeting // by client
}

func drawCache(b *base) part {
	return &cachePart{base: b, packed: b.drawn("Gunzip", 6), greeted: make(map[string][]greeting)}
}

func (c *cachePart) open() error {
	c.hist, c.texts = c.w.follow(c.path), c.w.follow(c.valuePath())
	c.w.Server.OnFrame(func(f zktest.Frame) zktest.Verdict {
		if f.Op == zktest.OpConnect && f.Stage == zktest.Reply {
			c.mu.Lock()
			c.greeted[f.Conn.Client] = append(c.greeted[f.Conn.Client], greeting{c.w.Now(), f.Zxid})
			c.mu.Unlock()
		}
		return zktest.Pass
	})
	for _, name := range []string{"", "/a", "/b", "/a/a", "/a/b", "/b/a"} {
		if err := c.put(c.path + name); err != nil {
			return err
		}
	}
	return nil
}

func (c *cachePart) rested()     {}
func (c *cachePart) grants() int { return c.serial }

func (c *cachePart) judge() error {
	var errs []error
	for _, m := range c.mirrors {
		errs = append(errs, m.judge())
	}
	return errors.Join(errs...)
}

func (c *cachePart) join(client int, cli *framework.Client) error {
	if client == 0 {
		u := c.newUser(client, cli, "gardener")
		c.users.Go(func() {
			u.during(func() { c.tend(u) })
			if oneIn(u.r, 2) {
				c.setValue([]byte("0"))
			}
		})
	}
	for i := range 1 + c.r.IntN(2) {
		u := c.newUser(client, cli, fmt.Sprint("mirror ", i))
		if u.oneOf("Tree", "Children", "Value") == "Value" {
			v := c.newValued(u)
			c.values = append(c.values, v)
			c.users.Go(v.work)
			continue
		}
		m := c.newMirror(u)
		c.mirrors = append(c.mirrors, m)
		c.users.Go(m.work)
	}
	return nil
}

// valuePath is the node that Values read.
func (c *cachePart) valuePath() string { return c.path + "-value" }

// tend changes something, as a test does or as a client.
func (c *cachePart) tend(u *user) {
	switch path := c.draw(u); u.r.IntN(10) {
	case 0, 1, 2, 3:
		_ = c.put(path)
	case 4, 5:
		c.remove(path)
	case 6:
		for i := range 20 {
			_ = c.put(fmt.Sprintf("%s/n%d", path, i))
		}
	case 7:
		c.tendValue(u)
	default:
		c.replace(u, path)
	}
	if !oneIn(u.r, 3) {
		u.pause(u.ctx, 10*time.Millisecond+u.upTo(u.Timeout/2))
	}
}

// draw draws a node, which need not exist.
func (c *cachePart) draw(u *user) string {
	path := c.path
	for range 1 + u.r.IntN(3) {
		path += "/" + string(rune('a'+u.r.IntN(3)))
	}
	return path
}

// put creates a node, or sets it to data that it never had.
func (c *cachePart) put(path string) error {
	data := c.data()
	if c.w.Server.Exists(path) {
		return c.w.Server.Set(path, data)
	}
	_, err := c.w.Server.Create(path, data, zktest.Persistent)
	return err
}

// data is data that no node has had.
func (c *cachePart) data() []byte {
	c.serial++
	data := fmt.Appendf(nil, "data %d", c.serial)
	if !c.packed {
		return data
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

// remove deletes a node and all below it, but not the root.
func (c *cachePart) remove(path string) {
	children, _ := c.w.Server.Children(path)
	for _, name := range children {
		c.remove(path + "/" + name)
	}
	_ = c.w.Server.Delete(path)
}

// replace deletes a node without children and creates it again, in one transaction, as a client.
func (c *cachePart) replace(u *user, path string) {
	ctx, cancel := context.WithTimeout(u.ctx, u.Timeout)
	defer cancel()
	own := u.own(path)
	_, err := u.cli.Multi(ctx, []framework.Op{framework.DeleteOp(own, framework.AnyVersion), framework.CreateOp(own, c.data(), framework.Persistent)})
	if err == nil {
		c.plays("replaced in one transaction")
	}
}

// tendValue changes the node that Values read: to what all can read, or only some, or nobody; or deletes it.
func (c *cachePart) tendValue(u *user) {
	path := c.valuePath()
	data := map[int]string{0: "", 1: "not a number"}[u.r.IntN(6)]
	if oneIn(u.r, 6) {
		_ = c.w.Server.Delete(path)
		return
	}
	if data == "" && oneIn(u.r, 2) || data != "" {
		c.setValue([]byte(data))
		return
	}
	c.serial++
	c.setValue(fmt.Appendf(nil, "%d", c.serial))
}

func (c *cachePart) setValue(data []byte) {
	if c.w.Server.Exists(c.valuePath()) {
		_ = c.w.Server.Set(c.valuePath(), data)
		return
	}
	_, _ = c.w.Server.Create(c.valuePath(), data, zktest.Persistent)
}

// greeting is an answer to a handshake. The client may not get it, or have given up by then.
type greeting struct {
	at   time.Duration
	zxid int64 // that was applied last
}

// connection is a transaction from before a client's present connection, 0 if there is none.
func (c *cachePart) connection(u *user) int64 {
	before, since, ok := u.present()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range c.greeted[clientName(u.client)] {
		if ok && g.at >= before && g.at <= since {
			return g.zxid
		}
	}
	return 0
}

// settled: the servers rest, and all are fresh and have what they have. Values without a value are not well.
func (c *cachePart) settled() {
	s := c.texts.latest(c.valuePath())
	if _, err := strconv.Atoi(s.data); err != nil || s.gone {
		c.unwell = true
	}
	for _, m := range c.mirrors {
		m.mustEqual()
	}
	for _, v := range c.values {
		v.mustEqual()
	}
}

// unpacked is data as a cache with Gunzip has it.
func unpacked(data string) string {
	r, err := gzip.NewReader(bytes.NewReader([]byte(data)))
	if err != nil {
		return data
	}
	b, _ := io.ReadAll(r)
	return string(b)
}
