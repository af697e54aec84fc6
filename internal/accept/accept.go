package accept

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Best returns that of the offered media types which the request wants most, and the first of those that it wants equally.
func Best(r *http.Request, offers ...string) string {
	ranges := parse(r.Header.Values("Accept"))
	best, most := offers[0], 0.0
	for _, offer := range offers {
		if q := quality(ranges, offer); q > most {
			best, most = offer, q
		}
	}
	return best
}

// mediaRange is one element of the header.
type mediaRange struct {
	pattern string  // "text/html", "text/*", "*/*"
	quality float64 // 0 to 1
}

// maxRanges is how many elements are looked at. Browsers send fewer than ten.
const maxRanges = 64

func parse(headers []string) []mediaRange {
	var ranges []mediaRange
	for _, header := range headers {
		for element := range strings.SplitSeq(header, ",") {
			pattern, params, err := mime.ParseMediaType(element)
			if err != nil || len(ranges) == maxRanges {
				continue
			}
			q, err := strconv.ParseFloat(params["q"], 64)
			if err != nil || !(q >= 0 && q <= 1) { // neither is NaN
				q = 1
			}
			ranges = append(ranges, mediaRange{pattern, q})
		}
	}
	return ranges
}

// quality is how much a media type is wanted: the most specific range that it is in says so. Without a header everything is.
func quality(ranges []mediaRange, offer string) float64 {
	if len(ranges) == 0 {
		return 1
	}
	kind, _, _ := strings.Cut(offer, "/")
	for _, pattern := range []string{offer, kind + "/*", "*/*"} {
		for _, r := range ranges {
			if r.pattern == pattern {
				return r.quality
			}
		}
	}
	return 0
}
