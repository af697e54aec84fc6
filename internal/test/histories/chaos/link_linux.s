// This file lets clock.go declare a function whose body is in another package.
