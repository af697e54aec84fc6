package discovery

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/docent-zk/docent/framework"
)

// Errors of this package, besides those of packages framework and node.
var (
	// ErrInvalidInstance says that an instance cannot be registered as it is. The error's text names the field.
	ErrInvalidInstance = errors.New("the instance cannot be registered")
	// ErrUnreadable says that a node holds nothing that can be read as an instance.
	ErrUnreadable = errors.New("the node holds no instance that can be read")
	// ErrUnreachable says that an instance does not say where it can be called. See [Instance.Address].
	ErrUnreachable = errors.New("the instance does not say where it can be called")
	// ErrNoInstances says that there is nothing to pick: nothing is registered, or everything is disabled or skipped. The
	// error's text says which.
	ErrNoInstances = errors.New("no instance can be picked")
	// ErrServiceClosed is what a Service says after Close.
	ErrServiceClosed = errors.New("the Service is closed")
	// ErrEnding says that a Registration is being drained or closed, and cannot be updated.
	ErrEnding = errors.New("the registration is ending")
)

// Type says how long an instance's node lives.
type Type int

const (
	// Dynamic instances are ephemeral: they go with the session of the process that has registered them.
	Dynamic Type = iota
	// Static instances are persistent: they stay when the process dies.
	Static
	// Permanent instances are persistent as well. Curator 5.4 makes no difference between the two.
	Permanent
	// DynamicSequential instances are ephemeral, and the servers append a number to the id, in the node's name only. Two of
	// them in one client should not have the same id: see package node.
	DynamicSequential
)

// typeNames are Curator's, in the order of the constants.
var typeNames = [...]string{"DYNAMIC", "STATIC", "PERMANENT", "DYNAMIC_SEQUENTIAL"}

// String returns the type's name as Curator writes it.
func (t Type) String() string {
	if t < 0 || int(t) >= len(typeNames) {
		return "Type(" + strconv.Itoa(int(t)) + ")"
	}
	return typeNames[t]
}

// mode is the kind of node that an instance of the type is.
func (t Type) mode() framework.Mode {
	switch t {
	case Static, Permanent:
		return framework.Persistent
	case DynamicSequential:
		return framework.EphemeralSequential
	}
	return framework.Ephemeral
}

// Instance is one instance of a service, with a payload of the user's own type.
type Instance[T any] struct {
	// Name is the service's. It may contain slashes.
	Name string
	// ID tells the instances of a service apart. Register draws a random UUID if it is empty.
	ID string
	// Address is a host name or an IP address, without a port and without brackets. Empty is null.
	//
	// An instance says where it can be called: it has an Address and a Port or an SSLPort, or a URISpec whose URI can be built
	// of what there is. Register refuses any other instance, and readers skip it, unless [AnyAddress] is set.
	Address string
	// Port is the port without TLS; 0 is null.
	Port int
	// SSLPort is the port with TLS; 0 is null.
	SSLPort int
	// Payload is whatever else there is to say.
	Payload T
	// RegistrationTime is when the instance was registered, in whole milliseconds. Register fills in the present if it is
	// zero. The zero Time is 0 on the wire.
	RegistrationTime time.Time
	// Type says how long the node lives. Defaults to Dynamic.
	Type Type
	// URISpec says how to build a URI for the instance; see [Instance.URI]. None is null.
	URISpec URISpec
	// Disabled takes the instance out of service: it is shown, and never picked.
	Disabled bool
}

// HostPort is the address and the port, the one with TLS if there is no other, as net.Dial takes them. It is empty if there is
// no address or no port.
func (in Instance[T]) HostPort() string {
	port := in.Port
	if port == 0 {
		port = in.SSLPort
	}
	if in.Address == "" || port == 0 {
		return ""
	}
	return net.JoinHostPort(in.Address, strconv.Itoa(port))
}

// validate says what keeps an instance from being registered.
func (in *Instance[T]) validate() error {
	var errs []error
	if err := validateName(in.Name); err != nil {
		errs = append(errs, fmt.Errorf("Name: %w", err))
	}
	if err := validateID(in.ID); err != nil {
		errs = append(errs, fmt.Errorf("ID: %w", err))
	}
	errs = append(errs, validatePort("Port", in.Port), validatePort("SSLPort", in.SSLPort))
	if in.Type < Dynamic || in.Type > DynamicSequential {
		errs = append(errs, fmt.Errorf("Type: %d is none", in.Type))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidInstance, err)
	}
	return nil
}

func validatePort(field string, port int) error {
	if port < 0 || port > 65535 {
		return fmt.Errorf("%s: %d is not from 0 to 65535", field, port)
	}
	return nil
}

func validateName(name string) error {
	if strings.Trim(name, "/") == "" {
		return &framework.PathError{Path: name, Reason: "the name of a service is not empty"}
	}
	return framework.ValidatePath(name)
}

func validateID(id string) error {
	if strings.Contains(id, "/") {
		return &framework.PathError{Path: id, Reason: "the id of an instance is the name of a node, without slashes"}
	}
	return framework.ValidatePath(id)
}
