package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/sasl"
)

// globals are the flags that say how to reach the servers.
type globals struct {
	servers        string
	sessionTimeout time.Duration
	namespace      string
	auth           []string
	sasl           string
	tls            bool
	tlsCA          string
	tlsCert        string
	tlsKey         string
	tlsServerName  string
	tlsInsecure    bool
	logLevel       string
}

// variables are the environment variables behind the flags.
var variables = map[string]string{
	"servers": "DOCENT_SERVERS", "session-timeout": "DOCENT_SESSION_TIMEOUT", "namespace": "DOCENT_NAMESPACE",
	"auth": "DOCENT_AUTH", "sasl": "DOCENT_SASL",
	"tls": "DOCENT_TLS", "tls-ca": "DOCENT_TLS_CA", "tls-cert": "DOCENT_TLS_CERT", "tls-key": "DOCENT_TLS_KEY",
	"tls-server-name": "DOCENT_TLS_SERVER_NAME", "tls-insecure": "DOCENT_TLS_INSECURE",
	"log-level": "DOCENT_LOG_LEVEL", "timeout": "DOCENT_TIMEOUT",
}

func (g *globals) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&g.servers, "servers", "s", "127.0.0.1:2181", "connect string, host:port,host:port/chroot [DOCENT_SERVERS]")
	f.DurationVar(&g.sessionTimeout, "session-timeout", framework.DefaultSessionTimeout, "session timeout to ask for [DOCENT_SESSION_TIMEOUT]")
	f.StringVar(&g.namespace, "namespace", "", "path that all other paths are below, besides the chroot [DOCENT_NAMESPACE]")
	f.StringArrayVar(&g.auth, "auth", nil,
		"identity, as scheme:env:VARIABLE or scheme:file:PATH; may be repeated [DOCENT_AUTH, separated by commas]")
	f.StringVar(&g.sasl, "sasl", "", "SASL identity (DIGEST-MD5), as name:env:VARIABLE or name:file:PATH of the password [DOCENT_SASL]")
	f.BoolVar(&g.tls, "tls", false, "use TLS; the other flags for TLS imply it [DOCENT_TLS]")
	f.StringVar(&g.tlsCA, "tls-ca", "", "PEM file of the authorities that sign the servers' certificates [DOCENT_TLS_CA]")
	f.StringVar(&g.tlsCert, "tls-cert", "", "PEM file of the client's certificate [DOCENT_TLS_CERT]")
	f.StringVar(&g.tlsKey, "tls-key", "", "PEM file of its key [DOCENT_TLS_KEY]")
	f.StringVar(&g.tlsServerName, "tls-server-name", "", "name in the servers' certificates, if it is not the host's [DOCENT_TLS_SERVER_NAME]")
	f.BoolVar(&g.tlsInsecure, "tls-insecure", false, "accept every certificate, for tests [DOCENT_TLS_INSECURE]")
	f.StringVar(&g.logLevel, "log-level", "off", "log to standard error: off, debug, info, warn or error [DOCENT_LOG_LEVEL]")
	values := cobra.FixedCompletions([]string{"off", "debug", "info", "warn", "error"}, cobra.ShellCompDirectiveNoFileComp)
	_ = root.RegisterFlagCompletionFunc("log-level", values) // it fails only for a flag that does not exist
}

// fromEnvironment sets flags that are not on the command line. Errors do not show values, which may be secrets in the
// wrong place.
func (g *globals) fromEnvironment(cmd *cobra.Command, getenv func(string) string) error {
	for name, variable := range variables {
		value := getenv(variable)
		if value == "" || cmd.Flags().Changed(name) {
			continue
		}
		values := []string{value}
		if name == "auth" {
			values = strings.Split(value, ",")
		}
		for _, v := range values {
			if err := cmd.Flags().Set(name, v); err != nil {
				return fmt.Errorf("the environment variable %s has a value that --%s does not take", variable, name)
			}
		}
	}
	return nil
}

// config is the client's configuration.
func (a *app) config() (framework.Config, error) {
	g := &a.flags
	cfg := framework.Config{
		ConnectString: g.servers, SessionTimeout: g.sessionTimeout, Namespace: g.namespace, OperationTimeout: a.timeout,
		Dialer: a.dial, LookupHost: a.lookupHost, Random: a.random,
	}
	var errs []error
	note := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	var err error
	cfg.Auth, err = a.identities()
	note(err)
	cfg.SASL, err = a.mechanism()
	note(err)
	cfg.TLS, err = g.tlsConfig()
	note(err)
	cfg.Logger, err = a.logger()
	note(err)
	if a.timeout <= 0 {
		note(fmt.Errorf("--timeout is %v; it must be positive", a.timeout))
	}
	if len(errs) == 0 {
		note(cfg.Validate())
	}
	if len(errs) > 0 {
		return cfg, &exitError{code: exitUsage, err: errors.Join(errs...)}
	}
	return cfg, nil
}

func (a *app) identities() ([]framework.Auth, error) {
	var all []framework.Auth
	for _, given := range a.flags.auth {
		scheme, secret, err := a.secret(given)
		if err != nil {
			return nil, fmt.Errorf("--auth (DOCENT_AUTH): %w", err)
		}
		all = append(all, framework.Auth{Scheme: scheme, Credentials: secret})
	}
	return all, nil
}

func (a *app) mechanism() (sasl.Mechanism, error) {
	if a.flags.sasl == "" {
		return nil, nil
	}
	name, password, err := a.secret(a.flags.sasl)
	if err != nil {
		return nil, fmt.Errorf("--sasl (DOCENT_SASL): %w", err)
	}
	return sasl.DigestMD5(name, string(password)), nil
}

// secret resolves name:env:VARIABLE and name:file:PATH. Its errors do not show what was given, unless it had that form.
func (a *app) secret(given string) (name string, secret []byte, err error) {
	parts := strings.SplitN(given, ":", 3)
	if len(parts) == 3 && parts[0] != "" && parts[2] != "" {
		switch parts[1] {
		case "env":
			if value := a.getenv(parts[2]); value != "" {
				return parts[0], []byte(value), nil
			}
			return "", nil, fmt.Errorf("the environment variable %s is not set", parts[2])
		case "file":
			data, err := os.ReadFile(parts[2])
			if err != nil {
				return "", nil, err
			}
			text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
			if text == "" {
				return "", nil, fmt.Errorf("the file %s is empty", parts[2])
			}
			return parts[0], []byte(text), nil
		}
	}
	return "", nil, errors.New("it has the form name:env:VARIABLE or name:file:PATH, where the variable or the file has the secret; " +
		"a secret on the command line would be visible to everybody on this machine")
}

// usesTLS reports whether any flag asks for TLS.
func (g *globals) usesTLS() bool {
	return g.tls || g.tlsCA != "" || g.tlsCert != "" || g.tlsKey != "" || g.tlsServerName != "" || g.tlsInsecure
}

func (g *globals) tlsConfig() (*tls.Config, error) {
	if !g.usesTLS() {
		return nil, nil
	}
	cfg := &tls.Config{ServerName: g.tlsServerName, InsecureSkipVerify: g.tlsInsecure, MinVersion: tls.VersionTLS12}
	if g.tlsCA != "" {
		pem, err := os.ReadFile(g.tlsCA)
		if err != nil {
			return nil, fmt.Errorf("--tls-ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--tls-ca: %s has no certificate in PEM form", g.tlsCA)
		}
	}
	switch {
	case (g.tlsCert == "") != (g.tlsKey == ""):
		return nil, errors.New("--tls-cert and --tls-key go together")
	case g.tlsCert != "":
		pair, err := tls.LoadX509KeyPair(g.tlsCert, g.tlsKey)
		if err != nil {
			return nil, fmt.Errorf("--tls-cert and --tls-key: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}

func (a *app) logger() (*slog.Logger, error) {
	if a.flags.logLevel == "off" {
		return nil, nil
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.flags.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level is %q; it must be off, debug, info, warn or error", a.flags.logLevel)
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level})), nil
}
