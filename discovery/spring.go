package discovery

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
)

// SpringInstance is the payload of Spring Cloud Zookeeper's instances: its class ZookeeperInstance.
type SpringInstance struct {
	// ID is the id of the application's context, which differs from the instance's.
	// Defaults to the instance's ID.
	ID string
	// Name is the name of the application.
	// Defaults to the service's name.
	Name string
	// Metadata is further data about the instance.
	Metadata map[string]string
}

const (
	springClass = "org.springframework.cloud.zookeeper.discovery.ZookeeperInstance"
	// springStatus is the metadata key with which Spring marks whether an instance is in service.
	springStatus     = "instance_status"
	springUp         = "UP"
	springOutOfOrder = "OUT_OF_SERVICE"
)

// springURISpec is Spring's default.
var springURISpec = URISpec{
	{Value: "scheme", Variable: true}, {Value: "://"}, {Value: "address", Variable: true}, {Value: ":"}, {Value: "port", Variable: true},
}

// Spring returns the format of Spring Cloud Zookeeper. Disabled is stored in the metadata entry "instance_status":
// OUT_OF_SERVICE instead of UP. As in Spring, any status other than UP (in upper or lower case), or none, counts as
// disabled.
//
// If Spring cannot read one instance, it cannot use the whole service. So Encode refuses an instance without Port, and
// gives an instance without URISpec Spring's default, "{scheme}://{address}:{port}".
func Spring() Codec[SpringInstance] { return springCodec{} }

type springCodec struct{}

// springPayload is the payload in JSON.
type springPayload struct {
	Class    string            `json:"@class"`
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
}

func (springCodec) Encode(in Instance[SpringInstance]) ([]byte, error) {
	if in.Port == 0 {
		return nil, fmt.Errorf("%w: Port: Spring cannot read an instance without one", ErrInvalidInstance)
	}
	if in.URISpec == nil {
		in.URISpec = springURISpec
	}
	p := springPayload{Class: springClass, ID: in.Payload.ID, Name: in.Payload.Name, Metadata: springMetadata(in.Payload.Metadata, in.Disabled)}
	if p.ID == "" {
		p.ID = in.ID
	}
	if p.Name == "" {
		p.Name = in.Name
	}
	payload, err := encodePayload(p, springClass)
	if err != nil {
		return nil, err
	}
	return (&jsonFormat{enabled: never}).append(envelopeOf(&in, payload)), nil
}

// springMetadata returns the metadata with the status for disabled. A status that agrees with it is kept.
func springMetadata(metadata map[string]string, disabled bool) map[string]string {
	if springDisabled(metadata) == disabled && metadata != nil {
		return metadata
	}
	m := map[string]string{}
	maps.Copy(m, metadata)
	if disabled {
		m[springStatus] = springOutOfOrder
	} else if metadata[springStatus] != "" {
		m[springStatus] = springUp
	}
	return m
}

func springDisabled(metadata map[string]string) bool {
	status := metadata[springStatus]
	return strings.TrimSpace(status) != "" && !strings.EqualFold(status, springUp)
}

func (springCodec) Decode(data []byte) (Instance[SpringInstance], error) {
	e, err := readEnvelope(data)
	if err != nil {
		return Instance[SpringInstance]{}, err
	}
	payload, err := readSpring(e.payload)
	if err != nil {
		return Instance[SpringInstance]{}, unreadable(fmt.Errorf("payload: %w", err))
	}
	in := instanceOf(&e, payload)
	in.Disabled = in.Disabled || springDisabled(payload.Metadata)
	return in, nil
}

// readSpring parses a payload. Instances that were registered without Spring have none.
func readSpring(raw json.RawMessage) (s SpringInstance, _ error) {
	if isNull(raw) {
		return s, nil
	}
	raw, err := checkClass(raw, springClass)
	if err != nil {
		return s, err
	}
	var f fields
	if err := json.Unmarshal(raw, &f); err != nil {
		return s, err
	}
	for name, into := range map[string]*string{"id": &s.ID, "name": &s.Name} {
		if err := read(f, name, into, readText); err != nil {
			return s, err
		}
	}
	return s, read(f, "metadata", &s.Metadata, readMetadata)
}

func readMetadata(raw json.RawMessage) (map[string]string, error) {
	var f fields
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, err
	}
	m := make(map[string]string, len(f))
	for key := range f {
		var value string
		if err := read(f, key, &value, readText); err != nil {
			return nil, err
		}
		m[key] = value
	}
	return m, nil
}
