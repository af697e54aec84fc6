package sessionfile

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
)

// machine identifies the machine and, if the system tells it, its boot. The host name alone may not be unique.
func machine() string {
	name := boot()
	if name == "" {
		name, _ = os.Hostname()
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}
