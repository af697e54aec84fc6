package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// client asks replicas. It keeps no connections, so that nothing is left of it.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// ask gets a replica's /status.
func (r *replica) ask(ctx context.Context) (status, error) {
	var now status
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.address()+"/status", nil)
	if err != nil {
		return now, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return now, err
	}
	defer answer.Body.Close()
	return now, json.NewDecoder(answer.Body).Decode(&now)
}

// until asks all replicas, again and again, until found returns the index of the one that is looked for.
func until(ctx context.Context, all []*replica, found func([]status) int) (int, error) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		now := make([]status, len(all))
		for i, r := range all {
			var err error
			if now[i], err = r.ask(ctx); err != nil {
				return 0, err
			}
		}
		if i := found(now); i >= 0 {
			return i, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("nobody leads: %w", context.Cause(ctx))
		}
	}
}

// journal holds the token of every run of a scheduler, in the order in which they were made.
type journal struct {
	mu     sync.Mutex
	tokens []int64
}

func (j *journal) add(token int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tokens = append(j.tokens, token)
}

func (j *journal) all() []int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]int64(nil), j.tokens...)
}
