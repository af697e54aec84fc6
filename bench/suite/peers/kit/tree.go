package kit

import "fmt"

// PerDirectory is how many nodes each directory of a tree has.
const PerDirectory = 1000

// NodePath names the i-th node of the tree at root: directories of PerDirectory nodes each.
func NodePath(root string, i int) string {
	return fmt.Sprintf("%s/node-%04d", DirectoryPath(root, i), i%PerDirectory)
}

// DirectoryPath names the directory of the i-th node.
func DirectoryPath(root string, i int) string {
	return fmt.Sprintf("%s/dir-%03d", root, i/PerDirectory)
}
