package arguments_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/docent-zk/docent/barrier"
	"github.com/docent-zk/docent/cache"
	"github.com/docent-zk/docent/counter"
	"github.com/docent-zk/docent/discovery"
	"github.com/docent-zk/docent/docenttest"
	"github.com/docent-zk/docent/framework"
	"github.com/docent-zk/docent/framework/debugpage"
	"github.com/docent-zk/docent/framework/health"
	"github.com/docent-zk/docent/leader"
	"github.com/docent-zk/docent/lock"
	"github.com/docent-zk/docent/node"
	"github.com/docent-zk/docent/retry"
	"github.com/docent-zk/docent/sasl"
)

// misuse is a call with an argument that must be refused at once, by an error.
type misuse struct {
	what string
	call func(ctx context.Context, cli *framework.Client) error
}

// valid is why no argument of a function is invalid by itself.
type valid string

// none is for functions without arguments.
const none valid = "it has no arguments"

// acl is for options that take an access-control list.
const acl valid = "an empty list means the client's, and servers check the entries"

// arguments has an entry for every exported function of the packages that users import: calls with invalid arguments, or the
// reason why there are none.
var arguments = map[string]any{
	"framework.New": []misuse{
		{"no servers", config(framework.Config{})},
		{"a malformed connect string", config(framework.Config{ConnectString: "h:1,,"})},
		{"a negative session timeout", configured(func(c *framework.Config) { c.SessionTimeout = -1 })},
		{"a negative connect timeout", configured(func(c *framework.Config) { c.ConnectTimeout = -1 })},
		{"a negative close timeout", configured(func(c *framework.Config) { c.CloseTimeout = -1 })},
		{"a negative margin", configured(func(c *framework.Config) { c.TrustMargin = -1 })},
		{"a negative request size", configured(func(c *framework.Config) { c.MaxRequestSize = -1 })},
		{"an invalid namespace", configured(func(c *framework.Config) { c.Namespace = "a//b" })},
		{"an identity without a scheme", configured(func(c *framework.Config) { c.Auth = []framework.Auth{{}} })},
		{"an invalid policy", configured(func(c *framework.Config) { c.RetryPolicy = retry.NTimes(-1, 0) })},
	},
	"framework.ParseConnectString": []misuse{{"an empty string", func(context.Context, *framework.Client) error {
		_, _, err := framework.ParseConnectString("")
		return err
	}}},
	"framework.OpenACL":    none,
	"framework.CreatorACL": none,
	"framework.DigestACL":  valid("it returns a list that servers check"),
	"framework.WithTTL": []misuse{{"zero", func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Create(ctx, "/x", nil, framework.PersistentTTL, framework.WithTTL(0))
		return err
	}}, {"negative", func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Create(ctx, "/x", nil, framework.PersistentTTL, framework.WithTTL(-1))
		return err
	}}},
	"framework.WithACL":      acl,
	"framework.ContextError": valid("it reads a context"),
	"framework.WithCancelCause": []misuse{{"a nil context", func(context.Context, *framework.Client) error {
		return panicOf(func() { framework.WithCancelCause(nil) }) //nolint:staticcheck // on purpose
	}}},
	"framework.CreateOp": []misuse{
		{"an empty path", multi(framework.CreateOp("", nil, framework.Persistent))},
		{"an unknown mode", multi(framework.CreateOp("/x", nil, framework.Mode(99)))},
	},
	"framework.SetOp":        []misuse{{"an empty path", multi(framework.SetOp("", nil, 0))}},
	"framework.DeleteOp":     []misuse{{"an empty path", multi(framework.DeleteOp("", 0))}},
	"framework.CheckOp":      []misuse{{"an empty path", multi(framework.CheckOp("", 0))}},
	"framework.GetOp":        []misuse{{"an empty path", multiRead(framework.GetOp(""))}},
	"framework.ChildrenOp":   []misuse{{"an empty path", multiRead(framework.ChildrenOp(""))}},
	"framework.ValidatePath": []misuse{{"an empty path", func(context.Context, *framework.Client) error { return framework.ValidatePath("") }}},
	"framework.Abs":          valid("the path is checked where it is used"),
	"framework.Join":         valid("the path is checked where it is used"),
	"framework.Split":        valid("the path is checked where it is used"),
	"framework.SafeToRetry":  valid("it reads an error"),

	"health.Ready":       []misuse{{"a nil client", probe(health.Ready(nil))}},
	"health.Live":        valid("a process with a nil client is alive; Ready reports it"),
	"health.ReadyWithin": []misuse{{"a nil client", probe(health.ReadyWithin(framework.HealthBounds{}, nil))}},
	"health.LiveWithin":  valid("a process with a nil client is alive; Ready reports it"),
	"debugpage.Handler":  valid("the page shows a nil client as what it is"),

	"lock.Do": []misuse{
		{"a nil function", func(ctx context.Context, cli *framework.Client) error { return lock.Do(ctx, lock.New(cli, "/x"), nil) }},
		{"a nil Locker", func(ctx context.Context, _ *framework.Client) error {
			return lock.Do(ctx, nil, func(context.Context, *lock.Held) error { return nil })
		}},
	},
	"lock.New": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := lock.New(cli, path).Lock(ctx)
		return err
	}), noClient("Contenders", func(ctx context.Context) error { _, err := lock.New(nil, "/x").Contenders(ctx); return err }),
		noClient("Revoke", func(ctx context.Context) error {
			return lock.New(nil, "/x").Revoke(ctx, lock.Contender{Path: "/x/lock-0000000000"})
		})),
	"lock.NewRW": paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := lock.NewRW(cli, path).RLock(ctx)
		return err
	}),
	"lock.NewMulti": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := lock.NewMulti(cli, []string{"/x", path}).Lock(ctx)
		return err
	}), misuse{"no paths", func(ctx context.Context, cli *framework.Client) error {
		_, err := lock.NewMulti(cli, nil).Lock(ctx)
		return err
	}}),
	"lock.NewSemaphore": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := lock.NewSemaphore(cli, path, 1).Acquire(ctx, 1)
		return err
	}), semaphore(0, 1), semaphore(-1, 1), semaphore(1, 0), semaphore(1, -1), semaphore(1, 2)),
	"lock.NewSharedSemaphore": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := lock.NewSharedSemaphore(cli, path, "/count").Acquire(ctx, 1)
		return err
	}), misuse{"an empty path of the limit", func(ctx context.Context, cli *framework.Client) error {
		_, err := lock.NewSharedSemaphore(cli, "/x", "").Acquire(ctx, 1)
		if !errors.Is(err, framework.ErrInvalidPath) {
			return nil
		}
		return err
	}}, misuse{"a negative limit", func(ctx context.Context, cli *framework.Client) error {
		return lock.NewSharedSemaphore(cli, "/x", "/count").SetLimit(ctx, -1)
	}}),
	"lock.LocalHandover": []misuse{{"negative", lockError(lock.LocalHandover(-1))}, {"256", lockError(lock.LocalHandover(256))}},
	"lock.Hold":          []misuse{{"negative", lockError(lock.Hold(-1))}},
	"lock.WaitLimit":     []misuse{{"negative", lockError(lock.WaitLimit(-1))}},
	"lock.Progress":      []misuse{{"nil", lockError(lock.Progress(nil))}},
	"lock.OnRevoke":      []misuse{{"nil", lockError(lock.OnRevoke(nil))}},
	"lock.StopOnLost":    none,
	"lock.Shared":        none,
	"lock.WithData":      valid("nil is no data"),
	"lock.WithACL":       acl,

	"leader.New": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := leader.New(cli, path).Campaign(ctx)
		return err
	}), noClient("Leader", func(ctx context.Context) error { _, err := leader.New(nil, "/x").Leader(ctx); return err }),
		noClient("Participants", func(ctx context.Context) error { _, err := leader.New(nil, "/x").Participants(ctx); return err })),
	"leader.Run": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		return leader.Run(ctx, cli, path, func(context.Context, *leader.Term) error { return nil })
	}), misuse{"a nil function", func(ctx context.Context, cli *framework.Client) error { return leader.Run(ctx, cli, "/x", nil) }}),
	"leader.Hold":     []misuse{{"negative", stands(leader.Hold(-1))}},
	"leader.WithID":   []misuse{{"empty", stands(leader.WithID(""))}},
	"leader.WithACL":  acl,
	"leader.Selector": none,
	"leader.Shared":   none,

	"barrier.New": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		return barrier.New(cli, path).Wait(ctx)
	}),
		noClient("Set", barrier.New(nil, "/x").Set), noClient("Remove", barrier.New(nil, "/x").Remove)),
	"barrier.NewDouble": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := barrier.NewDouble(cli, path, 1).Enter(ctx)
		return err
	}), double("no members", 0), double("a negative number of members", -1)),
	"barrier.WithID": []misuse{double("empty", 1, barrier.WithID("")), double("with a slash", 1, barrier.WithID("a/b"))},

	"node.Keep": paths(func(ctx context.Context, cli *framework.Client, path string) error { return keepError(ctx, cli, path) }),
	"node.Join": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := node.Join(ctx, cli, path, "id", nil)
		return err
	}), misuse{"an empty id", func(ctx context.Context, cli *framework.Client) error {
		_, err := node.Join(ctx, cli, "/x", "", nil)
		return err
	}}),
	"node.Members": paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := node.Members(ctx, cli, path)
		return err
	}),
	"node.WatchMembers": paths(func(ctx context.Context, cli *framework.Client, path string) error {
		return (<-node.WatchMembers(ctx, cli, path)).Err
	}),
	"node.WithMode":  []misuse{{"unknown", keeps(node.WithMode(99))}, {"with a TTL", keeps(node.WithMode(framework.PersistentTTL))}},
	"node.WithTTL":   []misuse{{"zero", keeps(node.WithTTL(0))}, {"negative", keeps(node.WithTTL(-time.Second))}},
	"node.ListedAs":  []misuse{{"empty", keeps(node.ListedAs(""))}},
	"node.Protected": none,
	"node.Replace":   none,
	"node.WithACL":   acl,

	"cache.Open": paths(func(ctx context.Context, cli *framework.Client, path string) error { return openError(ctx, cli, path) }),
	"cache.OpenChildren": paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := cache.OpenChildren(ctx, cli, path)
		return err
	}),
	"cache.OpenValue": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		return value(ctx, cli, path, cache.Text())
	}),
		misuse{"a nil codec", func(ctx context.Context, cli *framework.Client) error { return value(ctx, cli, "/x", nil) }}),
	"cache.OpenValueOr": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := cache.OpenValueOr(ctx, cli, path, cache.Text(), "")
		return err
	}), misuse{"a nil codec", func(ctx context.Context, cli *framework.Client) error {
		_, err := cache.OpenValueOr(ctx, cli, "/x", nil, "")
		return err
	}}),
	"cache.Validate": []misuse{
		{"nil", func(ctx context.Context, cli *framework.Client) error {
			return value(ctx, cli, "/x", cache.Text(), cache.Validate[string](nil))
		}},
		{"of another type", func(ctx context.Context, cli *framework.Client) error {
			return value(ctx, cli, "/x", cache.Text(), cache.Validate(func(int) error { return nil }))
		}},
	},
	"cache.DefaultOnDelete": []misuse{{"without a default", func(ctx context.Context, cli *framework.Client) error {
		return value(ctx, cli, "/x", cache.Text(), cache.DefaultOnDelete())
	}}},
	"cache.Filter":     []misuse{{"nil", opens(cache.Filter(nil))}},
	"cache.Parallel":   []misuse{{"zero", opens(cache.Parallel(0))}, {"negative", opens(cache.Parallel(-1))}},
	"cache.QueueBound": []misuse{{"zero", opens(cache.QueueBound(0))}, {"negative", opens(cache.QueueBound(-1))}},
	"cache.Depth":      []misuse{{"negative", opens(cache.Depth(-1))}},
	"cache.ListedAs":   []misuse{{"empty", opens(cache.ListedAs(""))}},
	"cache.JSON":       none,
	"cache.Text":       none,
	"cache.Bytes":      none,
	"cache.AllowEmpty": none,
	"cache.Gunzip":     none,
	"cache.NoWait":     none,
	"cache.StatsOnly":  none,
	"cache.OneShot":    none,

	"counter.NewInt": paths(func(ctx context.Context, cli *framework.Client, path string) error {
		_, err := counter.NewInt(cli, path).Add(ctx, 1)
		return err
	}),
	"counter.NewValue": append(paths(func(ctx context.Context, cli *framework.Client, path string) error {
		return counter.NewValue(cli, path).Set(ctx, nil)
	}),
		misuse{"a nil function", func(ctx context.Context, cli *framework.Client) error {
			_, err := counter.NewValue(cli, "/x").Update(ctx, nil)
			return err
		}}),
	"counter.WithSeed": valid("nil is no data"),

	"discovery.New": paths(func(ctx context.Context, cli *framework.Client, path string) error {
		if path == "" || path == "/x/" {
			path = "/x//y" // a base path may be empty, and may end with a slash
		}
		_, err := discovery.New[string](cli, path).Open(ctx, "orders")
		if err == nil {
			return nil
		}
		_, err = discovery.New[string](cli, path).Names(ctx)
		return err
	}),
	"discovery.WithCodec":  []misuse{{"nil", views(discovery.WithCodec[string](nil))}, {"nil, for names", names(discovery.WithCodec[string](nil))}},
	"discovery.WithWeight": []misuse{{"nil", views(discovery.WithWeight[string](nil))}},
	"discovery.WithZone":   []misuse{{"nil", views(discovery.WithZone[string](nil))}},
	"discovery.WithStrategy": []misuse{{"nil", func(ctx context.Context, cli *framework.Client) error {
		_, err := discovery.New[string](cli, "/x").Open(ctx, "orders", discovery.WithStrategy(nil))
		return err
	}}},
	"discovery.WithEjection": []misuse{{"negative", func(ctx context.Context, cli *framework.Client) error {
		_, err := discovery.New[string](cli, "/x").Open(ctx, "orders", discovery.WithEjection(discovery.Ejection{Window: -1}))
		return err
	}}},
	"discovery.ParseURISpec":  []misuse{{"an open brace", func(context.Context, *framework.Client) error { _, err := discovery.ParseURISpec("{"); return err }}},
	"discovery.AnyAddress":    none,
	"discovery.EnabledAlways": none,
	"discovery.EnabledNever":  none,
	"discovery.Spring":        none,
	"discovery.RoundRobin":    none,
	"discovery.Random":        none,
	"discovery.Sticky":        none,
	"discovery.Weighted":      none,
	"discovery.PowerOfTwo":    none,
	"discovery.JSON":          valid("its options say what is invalid"),
	"discovery.Class":         valid("without a name no class is written"),
	"discovery.PreferZone":    valid("instances without a zone have the zone \"\""),
	"discovery.CandidatesOf":  valid("there may be no candidates"),

	"retry.Do": []misuse{{"a nil function", func(ctx context.Context, _ *framework.Client) error { return retry.Do(ctx, retry.Never(), nil) }}},
	"retry.DoValue": []misuse{{"a nil function", func(ctx context.Context, _ *framework.Client) error {
		_, err := retry.DoValue[int](ctx, retry.Never(), nil)
		return err
	}}},
	"retry.Permanent":    valid("nil stays nil"),
	"retry.Exponential":  []misuse{policy("zero", retry.Exponential(0, 0)), policy("shrinking", retry.Exponential(2, 1))},
	"retry.Forever":      []misuse{policy("zero", retry.Forever(0)), policy("negative", retry.Forever(-1))},
	"retry.NTimes":       []misuse{policy("a negative number", retry.NTimes(-1, 1)), policy("a negative delay", retry.NTimes(1, -1))},
	"retry.Once":         []misuse{policy("negative", retry.Once(-1))},
	"retry.Never":        none,
	"retry.UntilElapsed": []misuse{policy("zero", retry.UntilElapsed(0, 1)), policy("without a pause", retry.UntilElapsed(1, 0))},
	"retry.FromBackOff":  []misuse{policy("nil", retry.FromBackOff[retry.BackOff](nil))},

	"sasl.DigestMD5": valid("whether name and password are right is for the servers to say"),
}

// paths are the calls with a nil client, and with paths that are not valid.
func paths(call func(ctx context.Context, cli *framework.Client, path string) error) []misuse {
	all := []misuse{
		{"a nil client", func(ctx context.Context, _ *framework.Client) error { return call(ctx, nil, "/x") }},
		{"an empty client", func(ctx context.Context, _ *framework.Client) error { return call(ctx, new(framework.Client), "/x") }},
	}
	for _, path := range []string{"", "/x/", "/x//y", "/x/../y"} {
		all = append(all, misuse{fmt.Sprintf("path %q", path), func(ctx context.Context, cli *framework.Client) error { return call(ctx, cli, path) }})
	}
	return all
}

// noClient is a call of another method with a nil client.
func noClient(method string, call func(ctx context.Context) error) misuse {
	return misuse{method + " with a nil client", func(ctx context.Context, _ *framework.Client) error { return call(ctx) }}
}

func config(cfg framework.Config) func(context.Context, *framework.Client) error {
	return func(context.Context, *framework.Client) error {
		_, err := framework.New(cfg)
		return err
	}
}

func configured(change func(*framework.Config)) func(context.Context, *framework.Client) error {
	cfg := framework.Config{ConnectString: "localhost:1"}
	change(&cfg)
	return config(cfg)
}

func multi(op framework.Op) func(context.Context, *framework.Client) error {
	return func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.Multi(ctx, []framework.Op{op})
		return err
	}
}

func multiRead(op framework.ReadOp) func(context.Context, *framework.Client) error {
	return func(ctx context.Context, cli *framework.Client) error {
		_, err := cli.MultiRead(ctx, []framework.ReadOp{op})
		return err
	}
}

// probe returns the refusal of a probe.
func probe(h http.Handler) func(context.Context, *framework.Client) error {
	return func(ctx context.Context, _ *framework.Client) error {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
		if w.Code == http.StatusOK {
			return nil
		}
		return errors.New(w.Body.String())
	}
}

// panicOf returns what f panics with.
func panicOf(f func()) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	f()
	return nil
}

func lockError(opt lock.Option) func(context.Context, *framework.Client) error {
	return func(ctx context.Context, cli *framework.Client) error {
		_, err := lock.New(cli, "/x", opt).Lock(ctx)
		return err
	}
}

func semaphore(limit, n int) misuse {
	return misuse{fmt.Sprintf("%d permits of %d", n, limit), func(ctx context.Context, cli *framework.Client) error {
		_, err := lock.NewSemaphore(cli, "/x", limit).Acquire(ctx, n)
		return err
	}}
}

func stands(opt leader.Option) func(context.Context, *framework.Client) error {
	return func(ctx context.Context, cli *framework.Client) error {
		_, err := leader.New(cli, "/x", opt).Campaign(ctx)
		return err
	}
}

func double(what string, members int, opts ...barrier.DoubleOption) misuse {
	return misuse{what, func(ctx context.Context, cli *framework.Client) error {
		_, err := barrier.NewDouble(cli, "/x", members, opts...).Enter(ctx)
		return err
	}}
}

func keepError(ctx context.Context, cli *framework.Client, path string, opts ...node.Option) error {
	_, err := node.Keep(ctx, cli, path, nil, opts...)
	return err
}

func keeps(opt node.Option) func(context.Context, *framework.Client) error {
	return func(ctx context.Context, cli *framework.Client) error { return keepError(ctx, cli, "/x", opt) }
}

func openError(ctx context.Context, cli *framework.Client, path string, opts ...cache.TreeOption) error {
	_, err := cache.Open(ctx, cli, path, opts...)
	return err
}

func opens(opt cache.TreeOption) func(context.Context, *framework.Client) error {
	return func(ctx context.Context, cli *framework.Client) error { return openError(ctx, cli, "/x", opt) }
}

func value(ctx context.Context, cli *framework.Client, path string, codec cache.Codec[string], opts ...cache.ValueOption) error {
	_, err := cache.OpenValue(ctx, cli, path, codec, opts...)
	return err
}

func views(opt discovery.Option[string]) func(context.Context, *framework.Client) error {
	return func(ctx context.Context, cli *framework.Client) error {
		_, err := discovery.New(cli, "/x", opt).Open(ctx, "orders")
		return err
	}
}

func names(opt discovery.Option[string]) func(context.Context, *framework.Client) error {
	return func(ctx context.Context, cli *framework.Client) error {
		_, err := discovery.New(cli, "/x", opt).Names(ctx)
		return err
	}
}

func policy(what string, p retry.Policy) misuse {
	return misuse{what, func(context.Context, *framework.Client) error { return p.Err() }}
}

// A call with an invalid argument returns an error that says so, at once and without a request.
func TestInvalidArgumentsAreRefusedAtOnce(t *testing.T) {
	docenttest.Run(t, func(t *testing.T, srv *docenttest.Server) {
		cli := srv.Connect("subject")
		for name, entry := range arguments {
			misuses, _ := entry.([]misuse)
			for _, m := range misuses {
				began, before := time.Now(), srv.Counts()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				var err error
				if crash := panicOf(func() { err = m.call(ctx, cli) }); crash != nil {
					t.Errorf("%s: %s: it panics: %v", name, m.what, crash)
				}
				cancel()
				synctest.Wait()
				if assert.Error(t, err, "%s: %s", name, m.what) {
					assert.Greater(t, len(strings.Fields(err.Error())), 2, "%s: %s: %v is not a sentence", name, m.what, err)
				}
				assert.Zero(t, time.Since(began), "%s: %s: %v", name, m.what, err)
				assert.Empty(t, srv.Counts().Sub(before).Requests, "%s: %s", name, m.what)
			}
		}
	})
}

// A new function has an entry.
func TestEveryExportedFunctionHasItsInvalidArgumentsListed(t *testing.T) {
	_ = debugpage.Handler
	_ = sasl.DigestMD5
	seen := make(map[string]bool)
	for _, dir := range []string{
		"framework", "framework/health", "framework/debugpage", "lock", "leader", "barrier", "node", "cache", "counter", "discovery", "retry", "sasl",
	} {
		isSource := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
		packages, err := parser.ParseDir(token.NewFileSet(), "../../"+dir, isSource, 0) //nolint:staticcheck // build tags do not matter
		require.NoError(t, err)
		for _, p := range packages {
			for _, file := range p.Files {
				for _, decl := range file.Decls {
					if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.IsExported() {
						name := path.Base(dir) + "." + f.Name.Name
						seen[name] = true
						assert.Contains(t, arguments, name, "%s needs an entry in arguments", name)
					}
				}
			}
		}
	}
	for name := range arguments {
		assert.True(t, seen[name], "%s does not exist", name)
	}
}
