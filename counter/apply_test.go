package counter

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/docent-zk/docent/framework"
)

// Version -1 stands for any version: a write that asked for it would overwrite whatever came in between.
func TestVersionThatCannotBeAskedFor(t *testing.T) {
	for _, v := range []*Value{NewValue(nil, "/v"), NewValue(nil, "/v", WithoutReceipt)} {
		_, err := v.apply(t.Context(), change{version: framework.AnyVersion})
		assert.ErrorContains(t, err, "/v")
		assert.ErrorContains(t, err, "version -1")
	}
}

func TestNextVersion(t *testing.T) {
	for version, want := range map[int32]int32{0: 1, 41: 42, 1<<31 - 1: -1 << 31, -3: -2, -2: 0} {
		assert.Equal(t, want, next(version))
	}
}
