package brief

import (
	"fmt"
	"time"
)

const day = 24 * time.Hour

// Duration formats d in two units at most and rounds it down: "250ms", "4.2s", "17s", "1m40s", "2h5m", "3d4h". The form
// is that of time.Duration, with days. A negative duration is "0ms".
func Duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", max(d, 0).Milliseconds())
	case d < 10*time.Second:
		return d.Truncate(100 * time.Millisecond).String()
	case d < time.Minute:
		return d.Truncate(time.Second).String()
	case d < time.Hour:
		return pair(d, time.Minute, "m", time.Second, "s")
	case d < day:
		return pair(d, time.Hour, "h", time.Minute, "m")
	}
	return pair(d, day, "d", time.Hour, "h")
}

// pair writes d in two units. The second one is left out if it is 0.
func pair(d, major time.Duration, majorName string, minor time.Duration, minorName string) string {
	text := fmt.Sprintf("%d%s", d/major, majorName)
	if rest := d % major / minor; rest > 0 {
		text += fmt.Sprintf("%d%s", rest, minorName)
	}
	return text
}
