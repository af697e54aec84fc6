package lock_test

const childEnv = "DOCENT_LOCK_CHILD"

func beChild() {}
