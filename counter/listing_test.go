package counter_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/counter"
)

func TestFollowerIsListed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		cli := w.Connect("a")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		v := counter.NewValue(cli, path)
		ch := v.Changes(ctx)
		<-ch.C
		for i := range 3 {
			err := v.Set(t.Context(), []byte(fmt.Sprint(i)))
			require.NoError(t, err)
			time.Sleep(time.Second)
		}
		synctest.Wait()
		list := cli.Recipes()
		require.Len(t, list, 1)
		assert.Equal(t, "counter", list[0].Name)
		assert.Equal(t, "following", list[0].Status.State)
		assert.Contains(t, fmt.Sprint(list[0].Status.Attrs), "version=")
	})
}
