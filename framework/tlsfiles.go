package framework

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// DefaultTLSInterval is the default of [TLSFiles].Interval.
const DefaultTLSInterval = time.Minute

// TLSFiles names PEM files for TLS. The client reads them for every new connection and every Interval, so replaced
// files are used without a restart: see [Config.TLSFiles].
//
// If a file is missing or incomplete, or the key does not match the certificate, the client continues with what it read
// last. Until the files are valid, it says so in the log and as a notice in Health.
type TLSFiles struct {
	// Roots has the certificates of the authorities that sign the servers' certificates.
	// Defaults to the system's.
	Roots string
	// Certificate has the client's certificate, followed by those of intermediate authorities if there are any. Key has
	// its private key, which must not be encrypted. If both are empty, the client presents no certificate.
	// Defaults to none.
	Certificate, Key string
	// Interval is the time between two reads of the files.
	// Defaults to DefaultTLSInterval.
	Interval time.Duration
}

// validate reports mistakes that can be found without reading the files.
func (f *TLSFiles) validate(base *tls.Config, bad reporter) {
	switch {
	case f == nil:
		return
	case (f.Certificate == "") != (f.Key == ""):
		bad("TLSFiles", "Certificate and Key go together")
	case f.Certificate == "" && f.Roots == "":
		bad("TLSFiles", "it names no file")
	}
	if f.Interval < 0 {
		bad("TLSFiles", "Interval %v is negative", f.Interval)
	}
	if base == nil {
		return
	}
	if f.Roots != "" && base.RootCAs != nil {
		bad("TLSFiles", "Roots and TLS.RootCAs exclude each other")
	}
	if f.Certificate != "" && (len(base.Certificates) > 0 || base.GetClientCertificate != nil) {
		bad("TLSFiles", "Certificate and a certificate in TLS exclude each other")
	}
}

// tlsSource supplies the TLS configuration of each new connection.
type tlsSource struct {
	base  *tls.Config // nil without TLS
	files *TLSFiles   // nil if there are none
	log   *slog.Logger

	reading chan struct{} // holds a token while a goroutine reads the files

	mu      sync.Mutex
	pair    *keyPair
	roots   *rootPool
	failure error     // why the files cannot be used; nil if they can
	since   time.Time // when that was noticed
}

// keyPair and rootPool are the contents of the files, raw and parsed.
type (
	keyPair struct {
		certificate, key []byte
		loaded           *tls.Certificate
	}
	rootPool struct {
		text []byte
		pool *x509.CertPool
	}
)

// newTLSSource reads the files for the first time.
func newTLSSource(cfg *Config) (*tlsSource, error) {
	s := &tlsSource{base: cfg.TLS, files: cfg.TLSFiles, log: cfg.Logger, reading: make(chan struct{}, 1)}
	if s.files == nil {
		return s, nil
	}
	if s.base == nil {
		s.base = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if err := s.read(); err != nil {
		return nil, fmt.Errorf("invalid framework.Config: TLSFiles: %w", err)
	}
	return s, nil
}

// config returns the configuration for a connection; nil without TLS. If the file system hangs, it waits until ctx ends
// at most.
func (s *tlsSource) config(ctx context.Context) *tls.Config {
	if s.base == nil {
		return nil
	}
	cfg := s.base.Clone()
	if s.files == nil {
		return cfg
	}
	s.refresh(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.roots != nil {
		cfg.RootCAs = s.roots.pool
	}
	if pair := s.pair; pair != nil {
		cfg.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.loaded, nil }
	}
	cfg.ClientSessionCache = nil // a resumed TLS session would keep the former certificate
	return cfg
}

// refresh reads the files, and waits for that until ctx ends.
func (s *tlsSource) refresh(ctx context.Context) {
	select {
	case s.reading <- struct{}{}:
	case <-ctx.Done():
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { <-s.reading }()
		s.note(s.read())
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// watch reads the files periodically until end is closed, more often while they cannot be used.
func (s *tlsSource) watch(end <-chan struct{}) {
	if s.files == nil {
		return
	}
	usual := s.files.Interval
	def(&usual, DefaultTLSInterval)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		wait := usual
		if _, _, failed := s.failed(); failed != nil {
			wait = min(usual, 5*time.Second)
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-end:
			t.Stop()
			return
		}
		look, stop := context.WithTimeout(ctx, usual)
		s.refresh(look)
		stop()
	}
}

// read applies the contents of the files, each one if it can be used.
func (s *tlsSource) read() error {
	s.mu.Lock()
	pair, roots := s.pair, s.roots
	s.mu.Unlock()
	pair, errPair := s.files.readPair(pair)
	roots, errRoots := s.files.readRoots(roots)
	s.mu.Lock()
	defer s.mu.Unlock()
	if errPair == nil && s.pair != nil && pair != s.pair {
		s.log.Info("new connections use another certificate", "file", s.files.Certificate, "until", pair.loaded.Leaf.NotAfter)
	}
	if errRoots == nil && s.roots != nil && roots != s.roots {
		s.log.Info("new connections use other root certificates", "file", s.files.Roots)
	}
	if errPair == nil {
		s.pair = pair
	}
	if errRoots == nil {
		s.roots = roots
	}
	return errors.Join(errPair, errRoots)
}

// note records whether the files can be used, and logs changes.
func (s *tlsSource) note(err error) {
	s.mu.Lock()
	before := s.failure
	s.failure = err
	if err != nil && before == nil {
		s.since = time.Now()
	}
	s.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		s.log.Warn("TLS files cannot be used; the client keeps using what it has read before", "error", err)
	case err == nil && before != nil:
		s.log.Info("TLS files can be used again")
	}
}

// failed returns why the files cannot be used (nil if they can), since when, and when the certificate in use expires
// (zero without one).
func (s *tlsSource) failed() (since, expires time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pair != nil {
		expires = s.pair.loaded.Leaf.NotAfter
	}
	return s.since, expires, s.failure
}

// readPair returns the files' key pair: old if they have not changed.
func (f *TLSFiles) readPair(old *keyPair) (*keyPair, error) {
	if f.Certificate == "" {
		return nil, nil
	}
	certificate, err := os.ReadFile(f.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return nil, err
	}
	if old != nil && bytes.Equal(old.certificate, certificate) && bytes.Equal(old.key, key) {
		return old, nil
	}
	if _, err := certificates(certificate); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Certificate, err)
	}
	loaded, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", f.Certificate, f.Key, err)
	}
	if loaded.Leaf == nil {
		if loaded.Leaf, err = x509.ParseCertificate(loaded.Certificate[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Certificate, err)
		}
	}
	return &keyPair{certificate, key, &loaded}, nil
}

// readRoots returns the file's roots: old if it has not changed.
func (f *TLSFiles) readRoots(old *rootPool) (*rootPool, error) {
	if f.Roots == "" {
		return nil, nil
	}
	text, err := os.ReadFile(f.Roots)
	if err != nil {
		return nil, err
	}
	if old != nil && bytes.Equal(old.text, text) {
		return old, nil
	}
	list, err := certificates(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Roots, err)
	}
	roots := &rootPool{text, x509.NewCertPool()}
	for _, c := range list {
		roots.pool.AddCert(c)
	}
	return roots, nil
}

// certificates parses a PEM file. The standard library would use what it can parse, and ignore the rest of an
// incomplete file.
func certificates(text []byte) (list []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	switch {
	case bytes.Contains(text, []byte("-----BEGIN")):
		return nil, errors.New("the last PEM block has no end; is it still being written?")
	case len(list) == 0:
		return nil, errors.New("it has no PEM block of a certificate")
	}
	return list, nil
}

// tls checks the files for TLS.
func (e *examination) tls(s *tlsSource) {
	since, expires, err := s.failed()
	if err != nil && e.lasted(since, e.bounds.Unwell) {
		e.note(HealthReason{
			Text:  fmt.Sprintf("files for TLS cannot be used for %s, and the client keeps what it has read before: %v", e.ago(since), err),
			Since: since, Notice: true, Err: err,
		})
	}
	if !expires.IsZero() && e.now.After(expires) {
		e.note(HealthReason{
			Text:  fmt.Sprintf("the client's certificate in %s has expired; replace it, new connections use the new one", s.files.Certificate),
			Since: expires, Notice: true,
		})
	}
}
