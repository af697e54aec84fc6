package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/examples/internal/stage"
	"github.com/docent-zk/docent/framework"
)

// caller is a client of the service.
type caller struct {
	cable   stage.Cable
	cli     *framework.Client
	service *discovery.Service[Meta]
	http    http.Client
}

func newCaller(ctx context.Context, s *stage.Stage) (*caller, error) {
	c := &caller{http: http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
	var err error
	if c.cli, err = connect(s, &c.cable); err != nil {
		return nil, err
	}
	c.service, err = discovery.New[Meta](c.cli, "/services").Open(ctx, "greetings",
		discovery.WithEjection(discovery.Ejection{Errors: 3, Duration: time.Minute}))
	if err != nil {
		return nil, errors.Join(err, c.cli.Close())
	}
	return c, nil
}

// Close ends the client, reachable or not.
func (c *caller) Close() error {
	c.cable.Plug()
	return errors.Join(c.service.Close(), c.cli.Close())
}

// tally is what has become of some calls.
type tally struct {
	answers map[string]int // by the instance that has answered
	retries int            // attempts that failed; another one was made
	lost    int            // calls without any answer
}

// call makes n calls, one after the other.
func (c *caller) call(ctx context.Context, n int) tally {
	t := tally{answers: map[string]int{}}
	for range n {
		who, retries, err := c.persist(ctx)
		t.retries += retries
		if err != nil {
			t.lost++
			continue
		}
		t.answers[who]++
	}
	return t
}

// persist makes one call, in at most five attempts.
func (c *caller) persist(ctx context.Context) (who string, retries int, err error) {
	for retries = range 5 {
		if who, err = c.attempt(ctx); err == nil {
			break
		}
	}
	return who, retries, err
}

// attempt picks an instance and calls it.
func (c *caller) attempt(ctx context.Context) (who string, err error) {
	in, err := c.service.Pick()
	if err != nil {
		return "", err
	}
	defer func() { in.Done(err) }() // the use is over, and how it went counts
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/", in.HostPort()), nil)
	if err != nil {
		return "", err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return string(body), err
}

// until waits until the instances that the service shows are as they should be.
func (c *caller) until(ctx context.Context, good func([]*discovery.Endpoint[Meta]) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for change := range c.service.Changes(ctx) {
		if good(slices.Collect(change.Instances())) {
			return nil
		}
	}
	return fmt.Errorf("the service is never as it should be: %w", context.Cause(ctx))
}
