package sasl_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/docent-zk/docent/sasl"
)

func TestErrorNamesKindCauseAndRemedy(t *testing.T) {
	cause := errors.New("KDC_ERR_PREAUTH_FAILED")
	err := error(&sasl.Error{Mechanism: "GSSAPI", Kind: sasl.ErrCredentials, Err: cause, Remedy: "export the keytab again"})
	assert.Equal(t, "GSSAPI: the credentials are refused: KDC_ERR_PREAUTH_FAILED; export the keytab again", err.Error())
	assert.ErrorIs(t, err, sasl.ErrCredentials)
	assert.ErrorIs(t, err, cause)
	assert.NotErrorIs(t, err, sasl.ErrExpired)

	err = &sasl.Error{Mechanism: "GSSAPI", Kind: sasl.ErrExpired}
	assert.Equal(t, "GSSAPI: the ticket has expired", err.Error())
	assert.ErrorIs(t, err, sasl.ErrExpired)
}
