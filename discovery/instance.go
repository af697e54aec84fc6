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
	// ErrInvalidInstance means that an instance cannot be registered as it is. The error's text names the field.
	ErrInvalidInstance = errors.New("the instance cannot be registered")
	// ErrUnreadable means that the data of a node is not an instance.
	ErrUnreadable = errors.New("the node's data is not an instance")
	// ErrUnreachable means that an instance does not say where it can be called. See [Instance.Address].
	ErrUnreachable = errors.New("the instance does not say where it can be called")
	// ErrNoInstances means that no instance can be picked, because none is registered, or all are disabled or skipped.
	// The error's text says which.
	ErrNoInstances = errors.New("no instance can be picked")
	// ErrServiceClosed is returned by a Service after Close.
	ErrServiceClosed = errors.New("the Service is closed")
	// ErrEnding means that a Registration cannot be updated because Drain or Close was called.
	ErrEnding = errors.New("the registration is ending")
)

// Type is how long an instance's node lives.
type Type int

const (
	// Dynamic instances are ephemeral: they are removed with the session of the process that registered them.
	Dynamic Type = iota
	// Static instances are persistent: they remain when the process dies.
	Static
	// Permanent instances are persistent as well. Curator 5.4 does not distinguish the two.
	Permanent
	// DynamicSequential instances are ephemeral, and the servers append a number to the id in the node's name. Two of
	// them in one client should not have the same id: see package node.
	DynamicSequential
)

// typeNames are Curator's names, in the order of the constants.
var typeNames = [...]string{"DYNAMIC", "STATIC", "PERMANENT", "DYNAMIC_SEQUENTIAL"}

// String returns Curator's name of the type.
func (t Type) String() string {
	if t < 0 || int(t) >= len(typeNames) {
		return "Type(" + strconv.Itoa(int(t)) + ")"
	}
	return typeNames[t]
}

// mode returns the mode of the nodes of a type.
func (t Type) mode() framework.Mode {
	switch t {
	case Static, Permanent:
		return framework.Persistent
	case DynamicSequential:
		return framework.EphemeralSequential
	}
	return framework.Ephemeral
}

// Instance is one instance of a service, with a payload of the user's type.
type Instance[T any] struct {
	// Name is the name of the service. It may contain slashes.
	Name string
	// ID identifies the instance within its service. If it is empty, Register draws a random UUID.
	ID string
	// Address is a host name or an IP address, without port and brackets. Empty means null.
	//
	// An instance must say where it can be called: it has an Address and a Port or an SSLPort, or a URISpec for which
	// all values are present. Unless [AnyAddress] is set, Register refuses any other instance and readers skip it.
	Address string
	// Port is the port without TLS; 0 means null.
	Port int
	// SSLPort is the port with TLS; 0 means null.
	SSLPort int
	// Payload is further data.
	Payload T
	// RegistrationTime is when the instance was registered, in whole milliseconds. Register replaces the zero Time with
	// the current time. The zero Time is written as 0.
	RegistrationTime time.Time
	// Type is how long the node lives.
	// Defaults to Dynamic.
	Type Type
	// URISpec describes the instance's URI: see [Instance.URI]. nil means null.
	URISpec URISpec
	// Disabled takes the instance out of service: it is listed but never picked.
	Disabled bool
}

// HostPort returns address and port in the form that net.Dial takes, with the TLS port only if there is no other. It is
// empty without an address or a port.
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

// validate returns why an instance cannot be registered, or nil.
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
		errs = append(errs, fmt.Errorf("Type: %d is not a type", in.Type))
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
