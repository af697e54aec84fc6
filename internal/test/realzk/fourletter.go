package realzk

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	// answerLimit bounds one four-letter word of a caller without a deadline.
	answerLimit = 30 * time.Second
	// probeLimit is short because a word sent to a server that is starting can
	// stay unanswered for ever, while the next one is answered.
	probeLimit = 250 * time.Millisecond
	// maxAnswer is far more than any word answers on a test's server.
	maxAnswer = 4 << 20
)

// Mode is the role of a server.
type Mode string

// The modes of a server that serves clients.
const (
	ModeStandalone Mode = "standalone"
	ModeLeader     Mode = "leader"
	ModeFollower   Mode = "follower"
)

// FourLetter sends a four-letter word such as ruok, srvr, mntr, cons or wchp and
// returns the answer. It waits until ctx ends, but at most half a minute.
func (s *Server) FourLetter(ctx context.Context, word string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	answer, err := fourLetter(ctx, s.Addr(), word)
	if err != nil {
		return "", s.errorf("%s: %w", word, err)
	}
	return answer, nil
}

// Mode asks the server for its role. A server without quorum gives ErrNotServing.
func (s *Server) Mode(ctx context.Context) (Mode, error) {
	answer, err := s.FourLetter(ctx, "srvr")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(answer) {
		if mode, ok := strings.CutPrefix(line, "Mode: "); ok {
			return Mode(strings.TrimSpace(mode)), nil
		}
	}
	return "", s.errorf("%w; it says %q", ErrNotServing, answer)
}

// probe is Mode for those who ask again.
func (s *Server) probe(ctx context.Context) (Mode, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	return s.Mode(ctx)
}

func fourLetter(ctx context.Context, addr, word string) (string, error) {
	if len(word) != 4 {
		return "", fmt.Errorf("%q has not four letters", word)
	}
	conn, err := dial(ctx, addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, word); err != nil {
		return "", because(ctx, err)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, maxAnswer))
	return string(answer), because(ctx, err)
}
