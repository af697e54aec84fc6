package sim

import "slices"

// role is a recipe that can be played.
type role struct {
	name    string
	draw    func(b *base) part
	options []string // and ways of using it; each of them is to meet each kind of fault
}

// everywhere lists the options of every role.
var everywhere = []string{"/", "namespace", "chroot", "Client.Namespace", "relative path", "PersistentParents", "TrustMargin", "Servers", "Prefer", "RebalanceAfter", "ReadOnly"}

// holding lists the options of every role whose users exclude each other.
var holding = []string{"Hold", "Hold with grace", "release with a ctx that has ended", "WithACL"}

// locking lists the options of every kind of lock.
var locking = append([]string{
	"OnRevoke", "WithData", "WaitLimit", "StopOnLost", "Try", "Revoke", "held until revoked",
}, holding...)

// cast lists the roles. A role is one file: its part, its users, and what must be true of them.
var cast = []role{
	{"mutex", drawMutex, append([]string{"Shared", "Do"}, locking...)},
	{"hand-over", drawHandover, append([]string{"Shared", "without LocalHandover"}, locking...)},
	{"readers and writers", drawReadersWriters, append([]string{"Shared", "Do", "Downgrade"}, locking...)},
	{"semaphore", drawSemaphore, append([]string{"shared limit", "several permits"}, locking...)},
	{"several locks", drawMulti, append([]string{"Shared"}, locking...)},
	{"election", drawElection, append([]string{
		"Selector", "Shared", "Run", "Resign in Run", "ResignTo in Run", "Campaign", "ResignTo", "Observe", "Leader",
	}, holding...)},
	{"process", drawProcess, append([]string{"killed", "machine lost", "closed", "second process", "file removed"}, locking...)},
	{"kept node", drawKept, []string{
		"mode Ephemeral", "mode EphemeralSequential", "mode Persistent", "mode PersistentSequential", "mode Container",
		"Protected", "Replace", "WithTTL", "WithACL", "ListedAs", "Set", "Close",
	}},
	{"group", drawGroup, []string{"Join", "Replace", "WatchMembers", "Members", "Set", "Close"}},
	{"barrier", drawBarrier, []string{"Wait", "Set", "Remove"}},
	{"double barrier", drawDouble, []string{"WithID"}},
	{"counter", drawCounter, []string{
		"Int Add", "Int Set", "Int CompareAndSet", "Int Changes", "Long", "Value Set", "Value CompareAndSet", "Value Update",
		"Value Changes", "WithSeed", "WithoutReceipt", "Get", "Close", "slow reader",
	}},
	{"cache", drawCache, []string{
		"Tree", "Children", "Value", "OpenValueOr", "OneShot", "Depth", "Filter", "Parallel", "QueueBound", "StatsOnly", "Gunzip",
		"NoWait", "ListedAs", "slow listener", "Sync", "Refresh", "WaitFresh", "Close", "Bytes", "Text", "JSON", "Validate",
		"AllowEmpty", "DefaultOnDelete", "replaced in one transaction",
	}},
	{"discovery", drawDiscovery, []string{
		"Dynamic", "Static", "Permanent", "DynamicSequential", "Update", "Disabled", "Drain", "Close", "Changes", "Instances",
		"RoundRobin", "Random", "Sticky", "Weighted", "PowerOfTwo", "PreferZone", "WithEjection", "WithZone", "WithWeight",
		"AnyAddress", "Class", "EnabledAlways", "EnabledNever", "Spring", "view closed",
	}},
}

func roleNamed(name string) role {
	return cast[slices.IndexFunc(cast, func(r role) bool { return r.name == name })]
}

// pair is an option of a role and a kind of fault.
type pair struct{ role, option, kind string }

// pairs lists all pairs of some roles, or of the whole cast.
func pairs(roles ...string) []pair {
	var list []pair
	for _, r := range cast {
		if len(roles) > 0 && !slices.Contains(roles, r.name) {
			continue
		}
		for _, option := range slices.Concat(r.options, everywhere) {
			for _, k := range faultKinds {
				list = append(list, pair{r.name, option, k.name})
			}
		}
	}
	return list
}

// pairOf is what a seed is about: consecutive seeds are about all pairs in turn, in an order that mixes roles and kinds.
func pairOf(seed uint64, roles ...string) pair {
	all := pairs(roles...)
	return all[turn(seed, uint64(len(all)))]
}

// turn is which of n things a seed is about.
func turn(seed, n uint64) uint64 {
	stride := n*5/8 | 1
	for commonDivisor(stride, n) > 1 {
		stride += 2
	}
	return seed % n * stride % n
}

func commonDivisor(a, b uint64) uint64 {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}
