package archtest

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// linked are the modules whose packages are in a program that uses docent: the driver, the pauses between retries, and the interfaces of
// OpenTelemetry with what these need. Anything heavier belongs into a module of its own, as sasl/kerberos is.
var linked = []string{
	"github.com/cenkalti/backoff/v4",
	"github.com/cespare/xxhash/v2",
	"github.com/docent-zk/docent",
	"github.com/go-logr/logr",
	"github.com/go-logr/stdr",
	"github.com/go-zookeeper/zk",
	"go.opentelemetry.io/auto/sdk",
	"go.opentelemetry.io/otel",
	"go.opentelemetry.io/otel/metric",
	"go.opentelemetry.io/otel/trace",
}

// Every package that users can import, tests left out, is linked with these modules only.
func TestModulesThatAreLinked(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./...")
	list.Dir = root(t)
	out, err := list.Output()
	require.NoError(t, err)
	modules := strings.Fields(string(out))
	slices.Sort(modules)
	assert.Equal(t, linked, slices.Compact(modules))
}
