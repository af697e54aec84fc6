package measure

import "slices"

// Order returns who takes which turn in a round: a permutation of 0 to n-1. Over n rounds in a row everybody is first,
// second, and so on, once each; in the n rounds after these the order is reversed, so that nobody always follows the same
// neighbour.
func Order(n, round int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = (i + round) % n
	}
	if n > 0 && round/n%2 == 1 {
		slices.Reverse(order)
	}
	return order
}
