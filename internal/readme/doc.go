// Package readme holds no code. Its tests hold the Go in README.md and docs/*.md against the compiler.
//
//   - Every block that is fenced as go is formatted as gofmt would.
//   - A block that begins with "package main" is a complete program. It is compiled as a new user would compile it: in an empty
//     module of its own, which has nothing but the modules of this repository.
//   - A block that begins with "package service_test" is the file of a test. It is compiled in the same way, and run.
//   - A program with one of these comments on the line before its fence is run as well, on a server of the test's own, whose address
//     is its argument and takes the place of a string behind "ConnectString:". It must exit with 0.
//
// The comments, which readers of the page do not see:
//
//	<!-- run -->               it ends by itself
//	<!-- run: text -->         and has written text by then
//	<!-- run until: text -->   it does not: once it has written text, it is interrupted (SIGINT)
package readme
