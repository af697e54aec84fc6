package discovery

import (
	"fmt"
	"strconv"
	"strings"
)

// URIPart is a part of a URISpec: text, or the name of a variable.
type URIPart struct {
	Value    string // the text, or the variable's name
	Variable bool   // whether it is the name of a variable
}

// URISpec describes how the URI of an instance is built. nil means null, as in an instance without one.
type URISpec []URIPart

// ParseURISpec parses text with variables in braces: "{scheme}://{address}:{port}/api". Blanks around a variable's name
// are dropped. There is no escape character; the variables {[} and {]} are an opening and a closing brace.
func ParseURISpec(text string) (URISpec, error) {
	spec := URISpec{}
	for rest := text; rest != ""; {
		literal, after, opened := strings.Cut(rest, "{")
		if strings.Contains(literal, "}") {
			return nil, fmt.Errorf("URI spec %q: a } closes no variable", text)
		}
		if literal != "" {
			spec = append(spec, URIPart{Value: literal})
		}
		if !opened {
			break
		}
		name, after, closed := strings.Cut(after, "}")
		if !closed || strings.Contains(name, "{") {
			return nil, fmt.Errorf("URI spec %q: a variable is not closed before the next begins", text)
		}
		if name != "" {
			spec = append(spec, URIPart{Value: strings.TrimSpace(name), Variable: true})
		}
		rest = after
	}
	return spec, nil
}

// String returns the text that ParseURISpec parses.
func (s URISpec) String() string {
	var b strings.Builder
	for _, p := range s {
		if p.Variable {
			b.WriteString("{" + p.Value + "}")
		} else {
			b.WriteString(p.Value)
		}
	}
	return b.String()
}

// URI builds the instance's URI from its URISpec. The variables are scheme (https if there is an SSLPort, otherwise
// http), name, id, address, port, ssl-port, registration-time-utc (milliseconds since 1970) and service-type (in lower
// case). The given variables take precedence. Variables that are unknown or null are omitted, as in Curator. Without a
// URISpec, the result is empty.
func (in Instance[T]) URI(variables map[string]string) string {
	var b strings.Builder
	for _, p := range in.URISpec {
		value := p.Value
		if p.Variable {
			given, known := variables[p.Value]
			if value = given; !known {
				value = in.variable(p.Value)
			}
		}
		b.WriteString(value)
	}
	return b.String()
}

// variable returns the instance's value for a variable of a URISpec; "" if it has none.
func (in *Instance[T]) variable(name string) string {
	switch name {
	case "scheme":
		if in.SSLPort != 0 {
			return "https"
		}
		return "http"
	case "name":
		return in.Name
	case "id":
		return in.ID
	case "address":
		return in.Address
	case "port":
		return number(in.Port)
	case "ssl-port":
		return number(in.SSLPort)
	case "registration-time-utc":
		return strconv.FormatInt(millis(in.RegistrationTime), 10)
	case "service-type":
		return strings.ToLower(in.Type.String())
	case "[":
		return "{"
	case "]":
		return "}"
	}
	return ""
}

// number returns the text of a port; "" if it is null.
func number(port int) string {
	if port == 0 {
		return ""
	}
	return strconv.Itoa(port)
}
