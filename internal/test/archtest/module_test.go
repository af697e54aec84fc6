package archtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// rules are all rules, by the name that their test has.
var rules = map[string]func(*tree) []finding{
	"parses":       checkParses,
	"layers":       checkLayers,
	"dependencies": checkDependencies,
	"production":   checkProduction,
	"go version":   checkGoVersion,
	"package doc":  checkPackageDoc,
	"exported doc": checkExportedDoc,
	"public api":   checkPublicAPI,
	"seam":         checkSeam,
	"driver":       checkDriver,
	"sleep":        checkSleep,
	"file size":    checkFileSize,
	"func size":    checkFunctionSize,
	"reminders":    checkReminders,
	"names":        checkNames,
	"leak test":    checkLeakTest,
	"passwords":    checkPasswords,
}

// TestModule runs every rule on this module.
func TestModule(t *testing.T) {
	module, err := load(os.DirFS(root(t)))
	require.NoError(t, err)
	for name, check := range rules {
		t.Run(name, func(t *testing.T) {
			for _, f := range check(module) {
				t.Error(f)
			}
		})
	}
	t.Log("code: ", module.functionSizes(func(f *file) bool { return !f.test }))
	t.Log("tests:", module.functionSizes(func(f *file) bool { return f.test }))
}

// root returns the directory of go.mod, upwards from here.
func root(t *testing.T) string {
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		require.NotEqual(t, parent, dir, "no go.mod above the working directory")
		dir = parent
	}
}
