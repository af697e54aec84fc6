package zktest

import "strings"

// validPath reports whether a write may name path. It applies ZooKeeper's rules: absolute, no slash at the end, no
// empty, "." or ".." element, and no control character, surrogate, private-use character or anything outside the Basic
// Multilingual Plane, which Java sees as surrogates. Bytes that are not UTF-8 decode to U+FFFD and so are refused too.
func validPath(path string) bool {
	if path == "/" {
		return true
	}
	if path == "" || path[0] != '/' {
		return false
	}
	for element := range strings.SplitSeq(path[1:], "/") {
		if element == "" || element == "." || element == ".." {
			return false
		}
	}
	return strings.IndexFunc(path, forbiddenRune) < 0
}

func forbiddenRune(r rune) bool {
	return r <= 0x1f ||
		r >= 0x7f && r <= 0x9f ||
		r >= 0xd800 && r <= 0xf8ff ||
		r >= 0xfff0
}

// splitPath returns the part before the last slash and the part after it. The root's children have the parent "",
// which the tree knows as another name of the root. ok is false for a path that no create or delete may name.
func splitPath(path string) (parent, name string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 || strings.IndexByte(path, 0) >= 0 {
		return "", "", false
	}
	return path[:i], path[i+1:], true
}

// reserved reports whether path is one of the nodes that no client may delete.
func reserved(path string) bool {
	switch path {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return true
	}
	return false
}
