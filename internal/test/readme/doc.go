// Package readme has only tests. They compile the Go code in README.md and docs/*.md.
//
//   - Every block that is fenced as go is formatted as gofmt would.
//   - A block that begins with "package main" is a complete program. It is compiled as a new user would compile it: in an empty
//     module that requires only the modules of this repository.
//   - A block that begins with "package service_test" is the file of a test. It is compiled in the same way, and run.
//   - A program with one of these comments on the line before its fence is run as well, on the test's own server. The address of the server is
//     the program's argument, and replaces a string after "ConnectString:". The program must exit with 0.
//
// Readers of the page do not see these comments:
//
//	<!-- run -->               the program ends by itself
//	<!-- run: text -->         the program ends by itself, and has printed text
//	<!-- run until: text -->   the program is interrupted (SIGINT) once it has printed text
package readme
