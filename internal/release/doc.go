// Release checks and prepares releases of all modules of this repository, and tries the modules as a user gets them.
//
//	release check v0.2.0     # is everything ready? changes nothing
//	release prepare v0.2.0   # writes the version into go.mod files and CHANGELOG.md, for a commit
//	release tag v0.2.0       # checks, and creates the tags, without pushing them
//	release outside          # go get of every public module, and the programs of the pages, from an empty module
//
// scripts/release and the target outside of the Makefile call it. docs/versioning.md has the rules for versions and the steps of a release.
//
// # Modules
//
// The public modules are the root and every nested module outside of internal and bench. All have the same version. A
// nested one requires the root, and others that it needs, in exactly that version, and has no replace directive: go install refuses
// a module that has one. In the repository a file go.work beside its go.mod replaces them by their directories.
//
// # Checks
//
//   - the version: semantic, with major version 0 or 1, later than every tag;
//   - the working tree: nothing uncommitted;
//   - go.mod files: no replace directives, and the version;
//   - CHANGELOG.md: a section for the version with a date and at least one entry;
//   - the API: apidiff against the latest tag. An incompatible change needs a new minor version before 1.0, and is refused afterwards. It
//     must be mentioned in the changelog, which only a person can judge, so the report is printed.
//
// # How outside works
//
// It writes the public modules as they are in the working tree into a directory laid out as a module proxy (GOPROXY=file://...), ahead of the
// download cache of the go command and of its proxy. A module cache of its own keeps the unpublished versions apart from those of the
// machine.
package main
