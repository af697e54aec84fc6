package emitted

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"

	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/zktest"
)

func TestTermsOfRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		leads := make(chan *leader.Term)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- leader.Run(ctx, cli, "/e", func(ctx context.Context, term *leader.Term) error {
				_, err := cli.Create(ctx, "/by", nil)
				assert.NoError(t, err)
				leads <- term
				<-ctx.Done()
				return cli.Delete(context.WithoutCancel(ctx), "/by", -1)
			})
		}()
		<-leads
		assert.EqualValues(t, 1, c.value(t, "docent.leader.terms"))
		time.Sleep(time.Minute)
		s.Cut(zktest.AllConns())
		<-leads
		synctest.Wait()
		assert.EqualValues(t, 1, c.value(t, "docent.leader.terms"))
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		synctest.Wait()

		terms := c.named("leader.term")
		require.Len(t, terms, 2)
		assert.Equal(t, "suspended", attributes(terms[0].Attributes)["docent.cause"])
		assert.Equal(t, codes.Error, terms[0].Status.Code)
		assert.InDelta(t, 60, terms[0].EndTime.Sub(terms[0].StartTime).Seconds(), 1)
		assert.Equal(t, "canceled", attributes(terms[1].Attributes)["docent.cause"], "by the caller of Run")
		assert.Equal(t, codes.Unset, terms[1].Status.Code)
		within(t, c.named("zookeeper create")[1], terms[0])
		assert.Len(t, c.named("leader.campaign"), 2)
		assert.EqualValues(t, 0, c.value(t, "docent.leader.terms"))
		for _, to := range []string{"elected", "ended"} {
			assert.EqualValues(t, 2, c.value(t, "docent.leader.transitions", "docent.transition", to), to)
		}
		assert.EqualValues(t, 1, c.value(t, "docent.claims.lost", "docent.recipe", "leader", "docent.cause", "suspended"))
		assert.EqualValues(t, -1, c.value(t, "docent.claims.lost", "docent.cause", "canceled"), "who ends Run loses nothing")
	})
}

func TestTermsOfCampaign(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, s := collect(), startServer(t)
		cli := c.client(t, s, "a")
		ctx, caller := c.tracer.Tracer("test").Start(t.Context(), "caller")
		term, err := leader.New(cli, "/e").Campaign(ctx)
		require.NoError(t, err)
		_, err = cli.Create(term.Context(), "/by", nil)
		require.NoError(t, err)
		require.NoError(t, term.Resign(ctx))
		caller.End()
		within(t, c.one(t, "leader.campaign"), c.one(t, "caller"))
		within(t, c.one(t, "leader.term"), c.one(t, "caller"))
		creates := c.named("zookeeper create")
		within(t, creates[len(creates)-1], c.one(t, "leader.term"))
		assert.Equal(t, "released", attributes(c.one(t, "leader.term").Attributes)["docent.cause"])
		assert.Empty(t, points(c.metrics(t)["docent.claims.lost"]))
	})
}
