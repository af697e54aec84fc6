package contest

import "slices"

// turnOrder returns the order of turns in a round, a permutation of 0 to n-1. In n successive rounds each number has each place
// once. In the next n rounds the order is reversed, so that no number always follows the same neighbour.
func turnOrder(n, round int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = (i + round) % n
	}
	if n > 0 && round/n%2 == 1 {
		slices.Reverse(order)
	}
	return order
}
