package main

import "errors"

var errOldToken = errors.New("refused: a holder with a larger token has written")

// database is anything outside of ZooKeeper that can compare two numbers.
type database struct {
	value string
	token int64 // the largest that was seen
}

func (d *database) write(value string, token int64) error {
	if token < d.token {
		return errOldToken
	}
	d.value, d.token = value, token
	return nil
}
