// Package recipekit is what docent's own recipes use of framework beyond its public API: places in queues, twins, bulk reads,
// telemetry, and the client's source of randomness.
//
// Twins are several nodes of one session that belong together: one transaction creates them, and one deletes them. A recipe that
// shares its directory with clients of several kinds makes one node for each kind.
//
// These functions are internal because their promises are about docent's layouts. docs/design.md says what a recipe outside
// of this module uses in their place.
package recipekit
