package debugpage

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/docent-zk/docent/internal/brief"
)

// line is the latest states of a connection along time, from left to right, in units of a thousandth of the width.
type line struct {
	Label string // for those who cannot see it
	Begin string // what stands at its beginning
	Bars  []bar
}

// bar is one state.
type bar struct {
	Class               string
	X, Y, Width, Height float64
	Title               string
}

const (
	lineWidth  = 1000.0
	lineHeight = 30.0
	lineMost   = time.Hour // that is shown
	leastBar   = 4         // width of a state that was too short to be seen
)

// heights tell states apart for those who do not see colours, and let trouble that was short stand out.
var heights = map[string]float64{"good": 0.3, "warn": 0.65, "bad": 1, "idle": 0.12}

// newLine draws the history of the last hour, or of all time if that is less. There is none for a client without history.
func newLine(history []Change, now time.Time) *line {
	if len(history) == 0 {
		return nil
	}
	begin := history[0].Time
	l := &line{Begin: brief.Duration(now.Sub(begin)) + " ago"}
	if now.Sub(begin) > lineMost {
		begin = now.Add(-lineMost)
		l.Begin = brief.Duration(lineMost) + " ago"
	}
	scale := lineWidth / max(now.Sub(begin).Seconds(), 1e-3)
	for i, ch := range history {
		end := now
		if i+1 < len(history) {
			end = history[i+1].Time
		}
		if end.Before(begin) {
			continue
		}
		from := max(0, ch.Time.Sub(begin).Seconds()*scale)
		l.Bars = append(l.Bars, newBar(ch, from, end.Sub(begin).Seconds()*scale, end))
	}
	slices.SortStableFunc(l.Bars, func(a, b bar) int { return cmp.Compare(a.Height, b.Height) }) // trouble in front
	l.Label = fmt.Sprintf("States of the last %s: %d, now %s", brief.Duration(now.Sub(begin)), len(l.Bars), history[len(history)-1].State)
	return l
}

// newBar draws one state from one place to another, and at least so wide that it can be seen.
func newBar(ch Change, from, to float64, end time.Time) bar {
	class := classes[ch.State]
	width := max(to-from, leastBar)
	from = min(from, lineWidth-width)
	height := heights[class] * lineHeight
	title := fmt.Sprintf("%s for %s, from %s, epoch %d", ch.State, brief.Duration(end.Sub(ch.Time)), clock(ch.Time), ch.Epoch)
	if ch.Cause != "" {
		title += ": " + ch.Cause
	}
	return bar{Class: class, X: round(from), Y: round(lineHeight - height), Width: round(width), Height: round(height), Title: title}
}

// round keeps two digits.
func round(x float64) float64 { return float64(int(x*100+0.5)) / 100 }
