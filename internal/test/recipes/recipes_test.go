package recipes_test

import (
	"errors"

	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/lock"
)

// recipe is a line of the table.
type recipe struct {
	name  string
	means map[framework.Reaction]string // what the reactions mean for it
	ways  []way                         // the first is the default, the others are its user's to choose
}

// way is a recipe under one policy.
type way struct {
	option string // as it is written; empty for the default
	policy framework.Policy
	work   func(s *stage) work
}

// work is a recipe that does its work on a stage.
type work struct {
	begin  func()         // starts it; again, when it has ended and does not go on by itself
	ends   func() []error // why it has ended, each time
	stands func() bool    // whether it is done in the present session
}

// recipes are the lines of the table. Policies are what the recipes themselves return.
func recipes() []recipe {
	return []recipe{
		lockHeld(), writeHeld(), readHeld(), semaphoreHeld(), multiHeld(), lockWaiting(),
		leading(), candidate(), observer(),
		keeper(), member(),
		cached(), registration(), serviceView(),
		barrierWaiting(), doubleBarrier(), counterFollower(),
	}
}

// path is what the recipe under test is about.
const path = "/app/subject"

func isDeleted(err error) bool { return errors.Is(err, lock.ErrDeleted) }
