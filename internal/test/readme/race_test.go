//go:build race

package readme

// The flags of make test, so that what it has compiled is not compiled again.
func init() {
	buildFlags = []string{"-race", "-gcflags=github.com/go-zookeeper/zk=-race=false"}
}
