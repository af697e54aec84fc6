// Package seam is the door in framework for docent's own recipes. It carries what they need and the public API does not offer.
//
// Framework provides [Functions] when the program starts, and internal/recipekit takes them and gives them their public types
// back. Recipes import recipekit. Nothing else imports this package.
//
//	framework --- Provide --> seam --- Take --> internal/recipekit <--- lock, leader, ...
//
// The seam is below framework, which imports it, and so it cannot name framework's types. They are its type parameters.
// The compiler checks the functions on both sides. Only the pairing of both sides is checked at run time, when the program starts.
package seam
