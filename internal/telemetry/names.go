package telemetry

import (
	"errors"
	"net"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
)

// scope is the name of the instrumentation.
const scope = "github.com/docent-zk/docent"

// Attributes of OpenTelemetry's semantic conventions.
const (
	keySystem    = attribute.Key("db.system.name")
	keyOperation = attribute.Key("db.operation.name")
	keyStatus    = attribute.Key("db.response.status_code")
	keyErrorType = attribute.Key("error.type")
	keyServer    = attribute.Key("server.address")
	keyPort      = attribute.Key("server.port")
)

// Attributes of docent.
const (
	keyPath       = attribute.Key("docent.path") // only on spans
	keyRetries    = attribute.Key("docent.retries")
	keyRecipe     = attribute.Key("docent.recipe")
	keyCause      = attribute.Key("docent.cause")
	keyReason     = attribute.Key("docent.reason") // the text of an error; only on spans
	keyClient     = attribute.Key("docent.client")
	keyState      = attribute.Key("docent.state")
	keyFunction   = attribute.Key("docent.function")
	keyTransition = attribute.Key("docent.transition")
	keyAhead      = attribute.Key("docent.ahead")
	keyBehind     = attribute.Key("docent.behind")
	keyToken      = attribute.Key("docent.token")
	keySessionID  = attribute.Key("docent.session.id")
	keyEpoch      = attribute.Key("docent.session.epoch")
	keyTimeout    = attribute.Key("docent.session.timeout")
)

// system is the value of db.system.name. The conventions do not define one for ZooKeeper.
var system = keySystem.String("zookeeper")

// other is the conventions' value for everything without a name.
const other = "_OTHER"

// Names gives errors short names; the first match counts. There are only a few: values of error.type, and causes.
type Names []Name

// Name is the name of an error and of all that wrap it.
type Name struct {
	Err  error
	Name string
}

// Of returns the name of err: "" for nil, and "_OTHER" if it has none.
func (n Names) Of(err error) string {
	if err == nil {
		return ""
	}
	if name, ok := n.lookUp(err); ok {
		return name
	}
	return other
}

func (n Names) lookUp(err error) (string, bool) {
	for _, e := range n {
		if errors.Is(err, e.Err) {
			return e.Name, true
		}
	}
	return "", false
}

// serverAttributes returns the parts of "host:port"; none if there is no server.
func serverAttributes(server string) []attribute.KeyValue {
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		return nil
	}
	attrs := []attribute.KeyValue{keyServer.String(host)}
	if n, err := strconv.Atoi(port); err == nil {
		attrs = append(attrs, keyPort.Int(n))
	}
	return attrs
}
