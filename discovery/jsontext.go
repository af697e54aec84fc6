package discovery

import (
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// hexDigits are the digits that Jackson writes.
const hexDigits = "0123456789ABCDEF"

// appendText writes a JSON string as Jackson does. It escapes only what must be escaped, and characters beyond 16 bits.
func appendText(b []byte, text string) []byte {
	b = append(b, '"')
	for _, r := range text {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = appendEscape(appendEscape(b, high), low)
		case r >= ' ':
			b = utf8.AppendRune(b, r) // U+FFFD for invalid UTF-8
		default:
			b = appendControl(b, byte(r))
		}
	}
	return append(b, '"')
}

func appendControl(b []byte, c byte) []byte {
	const short = "\b\t\n\f\r"
	for i := range len(short) {
		if short[i] == c {
			return append(b, '\\', "btnfr"[i])
		}
	}
	return appendEscape(b, rune(c))
}

func appendEscape(b []byte, unit rune) []byte {
	return append(b, '\\', 'u', hexDigits[unit>>12&0xf], hexDigits[unit>>8&0xf], hexDigits[unit>>4&0xf], hexDigits[unit&0xf])
}

// restyle rewrites the strings of JSON as Jackson writes them. raw is valid and has no blanks.
func restyle(raw json.RawMessage) json.RawMessage {
	b := make(json.RawMessage, 0, len(raw))
	for i := 0; i < len(raw); {
		if raw[i] != '"' {
			b = append(b, raw[i])
			i++
			continue
		}
		end := stringEnd(raw, i)
		var text string
		if err := json.Unmarshal(raw[i:end], &text); err != nil {
			return raw // invalid: left for the reader to reject
		}
		b = appendText(b, text)
		i = end
	}
	return b
}

// stringEnd returns the index after the string that begins at i.
func stringEnd(raw json.RawMessage, i int) int {
	for i++; i < len(raw); i++ {
		switch raw[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(raw)
}
