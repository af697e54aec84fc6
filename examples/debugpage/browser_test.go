package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// browser is headless Chromium.
type browser struct{ path string }

// requireBrowser skips the test where there is no browser, and under -short. With DOCENT_REQUIRE_BROWSER=1 it fails instead.
func requireBrowser(t *testing.T) browser {
	t.Helper()
	if testing.Short() {
		t.Skip("no browser under -short")
	}
	for _, name := range []string{"chromium", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return browser{path}
		}
	}
	const missing = "there is no chromium or google-chrome in the PATH; scripts/install-zookeeper --browser installs it"
	if os.Getenv("DOCENT_REQUIRE_BROWSER") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return browser{}
}

// run loads a page, with so much of the browser's own time for its scripts, and returns what the browser says. What the page
// may not do is an error.
func (b browser) run(t *testing.T, url string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	profile := t.TempDir()
	args = append([]string{
		"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server", "--lang=en-US",
		"--enable-logging=stderr", "--log-level=0", "--user-data-dir=" + profile,
	}, append(args, url)...)
	cmd := exec.CommandContext(ctx, b.path, args...)
	cmd.Env = append(os.Environ(), "HOME="+profile, "XDG_CONFIG_HOME="+profile, "XDG_CACHE_HOME="+profile)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) { // one of its helpers still has the pipe
		err = nil
	}
	require.NoError(t, err, log.String())
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("the browser complains: %s", line)
		}
	}
	return out.String()
}

// dom is the page as it is when its scripts have had their time.
func (b browser) dom(t *testing.T, url string, args ...string) string {
	t.Helper()
	return b.run(t, url, append(args, "--dump-dom")...)
}

// screenshot returns a picture of the page, as PNG.
func (b browser) screenshot(t *testing.T, url string, dark bool, size string) []byte {
	t.Helper()
	scheme := "preferredColorScheme=1"
	if dark {
		scheme = "preferredColorScheme=0"
	}
	file := filepath.Join(t.TempDir(), "page.png")
	b.run(t, url, "--blink-settings="+scheme, "--window-size="+size, "--screenshot="+file)
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return data
}
