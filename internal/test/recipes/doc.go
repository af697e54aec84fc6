// Package recipes tests that every recipe does what it declares about SUSPENDED and LOST. It has only tests.
//
// The table of recipes in docs/guarantees.md is made from the declarations: the policies that the recipes return
// by default and with each option that changes them. Each row, and each option in it, is tested: the connection breaks and
// comes back, the session is lost and a new one begins, and the recipe must behave as its row says. To write the table again:
//
//	go test ./internal/test/recipes -run TestTable -update
package recipes
