package sessionfile

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
)

// machine names the machine, since it was started where the system tells that. What a host name says, other machines may say too.
func machine() string {
	name := boot()
	if name == "" {
		name, _ = os.Hostname()
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:8])
}
