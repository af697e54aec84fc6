// Package recipes holds every recipe to what it declares about SUSPENDED and LOST. It has tests only.
//
// The table of recipes in docs/guarantees.md is made from the declarations: the policies that the recipes return
// when they are asked, by default and with each option that changes them. Each line, and each option in it, is then put to the
// test: the connection breaks and comes back, the session is lost and a new one begins, and the recipe must do what its line
// says. To write the table anew:
//
//	go test ./internal/recipes -run TestTable -update
package recipes
