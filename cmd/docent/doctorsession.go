package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docent-zk/docent/framework"
)

// session opens a session. Each of these steps reports whether the next one makes sense.
func (d *doctor) session(ctx context.Context) bool {
	waiting, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	begin := d.now()
	err := d.cli.WaitConnected(waiting)
	switch {
	case ctx.Err() != nil:
		return false
	case errors.Is(err, framework.ErrAuthFailed):
		d.find("identity", verdictProblem, fmt.Sprintf("The servers refuse an identity: %v.", err),
			"Check the name and the secret of --sasl and --auth, and the servers' JAAS configuration.")
		return false
	case err != nil:
		d.find("session", verdictProblem, fmt.Sprintf("The servers do not grant a session within %v: %v.", d.timeout, err),
			"Without a quorum servers grant no sessions. Look at their logs. If they demand SASL or TLS, see --sasl and --tls.")
		return false
	}
	state := d.cli.State()
	text := fmt.Sprintf("%s granted a session with a timeout of %v, in %s.", state.Server, state.Timeout, brief(d.now().Sub(begin)))
	if asked := d.flags.sessionTimeout; state.Timeout != asked {
		d.find("session", verdictNote, text, fmt.Sprintf("%v was asked for. The servers' limits are minSessionTimeout and maxSessionTimeout, 2 and 20 ticks by default.", asked))
	} else {
		d.find("session", verdictFine, text, "")
	}
	return true
}

// identity says who the client is in the eyes of the servers.
func (d *doctor) identity(ctx context.Context) bool {
	list, err := d.cli.WhoAmI(ctx)
	switch {
	case errors.Is(err, framework.ErrUnsupported):
		d.find("identity", verdictNote, "The servers do not say as whom they know this client.", "ZooKeeper tells that since 3.7.")
		return true
	case err != nil:
		d.failed("identity", "ask for identities", err)
		return false
	}
	who := make([]string, len(list))
	for i, id := range list {
		who[i] = id.Scheme + ":" + id.ID
	}
	d.find("identity", verdictFine, fmt.Sprintf("The servers know this client as %s.", strings.Join(who, ", ")), "")
	return true
}

// namespace looks whether chroot and namespace exist.
func (d *doctor) namespace(ctx context.Context) bool {
	path := d.cli.Info().Namespace
	_, exists, err := d.cli.Exists(ctx, "/")
	switch {
	case err != nil:
		d.failed("chroot", "look for "+path, err)
		return false
	case path == "/":
		d.find("chroot", verdictFine, "There is no chroot and no namespace: paths are those of the ensemble.", "")
	case exists:
		d.find("chroot", verdictFine, fmt.Sprintf("%s exists; all paths are below it.", path), "")
	default:
		d.find("chroot", verdictNote, fmt.Sprintf("%s does not exist, so the checks that need it are left out.", path),
			"Recipes create it with their first node. If that is not allowed to them, or the name is a mistake, correct it now.")
		return false
	}
	return true
}

// failed reports an operation that has failed for a reason that no step expects.
func (d *doctor) failed(check, what string, err error) {
	d.find(check, verdictProblem, fmt.Sprintf("An attempt to %s failed: %v.", what, err), "Run doctor again. If it stays so, look at the servers' logs.")
}

// acl shows who may do what at the root of the namespace.
func (d *doctor) acl(ctx context.Context) bool {
	list, _, err := d.cli.ACL(ctx, "/")
	if err == nil {
		_, _, err = d.cli.Children(ctx, "/")
	}
	switch {
	case errors.Is(err, framework.ErrNoAuth):
		d.find("acl", verdictProblem, fmt.Sprintf("This client may not read %s.", d.cli.Info().Namespace),
			"Present an identity that its ACL allows, with --auth or --sasl, or have its owner change the ACL.")
	case err != nil:
		d.failed("acl", "read the ACL", err)
		return false
	default:
		d.find("acl", verdictFine, fmt.Sprintf("The ACL of %s: %s.", d.cli.Info().Namespace, aclText(list)), "")
	}
	return true
}

// aclText writes an ACL as ZooKeeper's own command line reads it.
func aclText(list []framework.ACL) string {
	var parts []string
	for _, e := range list {
		letters := ""
		for i, letter := range permissions {
			if e.Perms>>i&1 == 1 {
				letters += string(letter)
			}
		}
		id := e.ID
		if user, _, ok := strings.Cut(id, ":"); ok && e.Scheme == "digest" {
			id = user + ":..." // the hash can be guessed from
		}
		parts = append(parts, e.Scheme+":"+id+":"+letters)
	}
	return strings.Join(parts, ", ")
}

// create creates the node that the following steps write to.
func (d *doctor) create(ctx context.Context) bool {
	if d.noWrite {
		d.find("write", verdictSkipped, "Nothing is written, because of --no-write; clocks, containers and writes are not examined.", "")
		return true
	}
	var err error
	d.probe, err = d.cli.Create(ctx, "/docent-doctor-", []byte(d.label), framework.EphemeralSequential, framework.Protected)
	switch {
	case errors.Is(err, framework.ErrNoAuth):
		d.find("write", verdictProblem, fmt.Sprintf("This client may not create nodes in %s.", d.cli.Info().Namespace),
			"Present an identity that its ACL allows, with --auth or --sasl. If only nodes further down are yours, run doctor with --namespace.")
	case err != nil:
		d.failed("write", "create a node", err)
		return false
	default:
		d.find("write", verdictFine, "This client may create nodes.", "")
	}
	return true
}

// clock compares the clocks of this machine and of the leader, by the time that a write gets.
func (d *doctor) clock(ctx context.Context) bool {
	if d.probe.Path == "" {
		return true
	}
	sent := d.now()
	stat, err := d.cli.Set(ctx, d.probe.Path, []byte(d.label), framework.AnyVersion)
	if err != nil {
		d.failed("clock", "set the time of a node", err)
		return false
	}
	trip := d.now().Sub(sent)
	ahead := time.UnixMilli(stat.Mtime).Sub(sent.Add(trip / 2).Truncate(time.Millisecond))
	text := fmt.Sprintf("The servers' clock and the clock of this machine agree, to within %s.", brief(trip/2+time.Millisecond))
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	differ := fmt.Sprintf("The servers' clock is %s %s the clock of this machine.", brief(ahead.Abs()), direction)
	const advice = "Locks and sessions do not depend on it. Times of registrations and nodes, TTLs, TLS certificates and logs do: synchronize the clocks (NTP)."
	switch off := ahead.Abs() - trip/2; {
	case off < time.Second:
		d.find("clock", verdictFine, text, "")
	case off < time.Minute:
		d.find("clock", verdictNote, differ, advice)
	default:
		d.find("clock", verdictProblem, differ, advice)
	}
	return true
}

// containers looks whether the servers know containers.
func (d *doctor) containers(ctx context.Context) bool {
	if d.probe.Path == "" {
		return true
	}
	_, name := framework.Split(d.probe.Path)
	n, err := d.cli.Create(ctx, "/"+name+"-container", nil, framework.Container)
	switch {
	case errors.Is(err, framework.ErrUnsupported):
		d.find("containers", verdictNote, "The servers do not know container nodes, which ZooKeeper has since 3.5.3.",
			"Recipes work. Their directories are persistent nodes then, and stay when nobody uses them any more.")
		return true
	case err != nil:
		d.failed("containers", "create a container", err)
		return false
	}
	if err := d.cli.Delete(ctx, n.Path, framework.AnyVersion); err != nil && !errors.Is(err, framework.ErrNoNode) {
		d.failed("containers", "delete "+n.Path, err)
		return false
	}
	d.find("containers", verdictFine, "The servers know container nodes: they remove directories that are no longer used.", "")
	return true
}

// rounds is how often each request is timed.
const rounds = 20

// latency times reads and writes.
func (d *doctor) latency(ctx context.Context) bool {
	read, err := d.timed(ctx, func(ctx context.Context) error {
		_, _, err := d.cli.Exists(ctx, "/")
		return err
	})
	if err != nil {
		d.failed("latency", "read", err)
		return false
	}
	text := fmt.Sprintf("A read takes %s, and %s at most", brief(read[rounds/2]), brief(read[rounds-1]))
	worst, write := read[rounds-1], time.Duration(0)
	if d.probe.Path != "" {
		writes, err := d.timed(ctx, func(ctx context.Context) error {
			_, err := d.cli.Set(ctx, d.probe.Path, []byte(d.label), framework.AnyVersion)
			return err
		})
		if err != nil {
			d.failed("latency", "write", err)
			return false
		}
		write, worst = writes[rounds/2], max(worst, writes[rounds-1])
		text += fmt.Sprintf("; a write %s, and %s at most", brief(write), brief(writes[rounds-1]))
		_ = d.cli.Delete(ctx, d.probe.Path, framework.AnyVersion) // it goes with the session in any case
	}
	text += fmt.Sprintf(" (%d of each).", rounds)
	d.judge(text, worst, write)
	return true
}

// judge says what the latency means for sessions.
func (d *doctor) judge(text string, worst, write time.Duration) {
	switch timeout := d.cli.State().Timeout; {
	case worst > timeout/6:
		d.find("latency", verdictProblem, text, fmt.Sprintf("That is long for a session timeout of %v: connections will be given up. Look for the load of the servers and the "+
			"network, or raise --session-timeout.", timeout))
	case write > 100*time.Millisecond:
		d.find("latency", verdictNote, text, "Writes are slow. ZooKeeper waits for its disks: give dataLogDir a device of its own, and look at fsync warnings in the servers' logs.")
	default:
		d.find("latency", verdictFine, text, "")
	}
}

// timed calls f several times, and returns what each call took, in order of size.
func (d *doctor) timed(ctx context.Context, f func(ctx context.Context) error) ([]time.Duration, error) {
	all := make([]time.Duration, rounds)
	for i := range all {
		begin := d.now()
		if err := f(ctx); err != nil {
			return nil, err
		}
		all[i] = d.now().Sub(begin)
	}
	slices.Sort(all)
	return all, nil
}

// lacks names the requests that the servers turned out not to know.
func (d *doctor) lacks() {
	for _, lack := range d.cli.Info().Lacks {
		d.find("requests", verdictNote, fmt.Sprintf("The servers do not know the request %s: %s.", lack.Request, lack.Reason), lack.Instead+".")
	}
}
