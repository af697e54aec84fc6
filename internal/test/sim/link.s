// This file lets blocked.go declare a function whose body is in another package.
