import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.locks.Revoker;
import org.apache.curator.framework.recipes.shared.SharedCount;

/** Locks and semaphores. An actor has one at a time. */
public final class Locks implements Peer.Family {
    /** Whatever can be acquired and released by one thread. */
    interface Lock {
        /** Waits, but no longer than the milliseconds given, if they are not negative. */
        boolean acquire(long millis) throws Exception;

        void release() throws Exception;
    }

    /** Ends when somebody asks for the lock. */
    private static final class Revoked extends CountDownLatch {
        Revoked() {
            super(1);
        }
    }

    @Override
    public void addTo(Map<String, Peer.Command> commands) {
        commands.put("lock.acquire", (actor, words) -> {
            Lock lock = open(actor.client(), words.next(), words.next());
            if (!lock.acquire(-1)) {
                throw new IllegalStateException("not acquired");
            }
            actor.keep(Lock.class, lock);
            return null;
        });
        commands.put("lock.try", (actor, words) -> {
            Lock lock = open(actor.client(), words.next(), words.next());
            boolean acquired = lock.acquire(words.number());
            if (acquired) {
                actor.keep(Lock.class, lock);
            }
            return acquired;
        });
        commands.put("lock.release", (actor, words) -> {
            actor.taken(Lock.class).release();
            return null;
        });
        commands.put("lock.downgrade", (actor, words) -> {
            InterProcessReadWriteLock both = new InterProcessReadWriteLock(actor.client(), words.next());
            both.writeLock().acquire();
            both.readLock().acquire();
            both.writeLock().release();
            actor.keep(Lock.class, of(both.readLock()));
            return null;
        });
        commands.put("lock.acquireRevocable", (actor, words) -> {
            InterProcessMutex mutex = new InterProcessMutex(actor.client(), words.next());
            Revoked revoked = new Revoked();
            mutex.makeRevocable(m -> revoked.countDown());
            mutex.acquire();
            actor.keep(Lock.class, of(mutex));
            actor.keep(Revoked.class, revoked);
            return null;
        });
        commands.put("lock.revoked", (actor, words) -> {
            actor.kept(Revoked.class).await();
            return null;
        });
        commands.put("lock.revoke", (actor, words) -> {
            Revoker.attemptRevoke(actor.client(), words.next());
            return null;
        });
        commands.put("lock.participants", (actor, words) ->
                new ArrayList<>(new InterProcessMutex(actor.client(), words.next()).getParticipantNodes()));
        commands.put("lock.leases", (actor, words) ->
                new ArrayList<>(new InterProcessSemaphoreV2(actor.client(), words.next(), 1).getParticipantNodes()));
    }

    /**
     * Returns the lock of a kind: mutex, read, write, semaphoremutex; semaphore/LIMIT/PERMITS or
     * sharedsemaphore/PATH OF THE COUNT/PERMITS, with the slashes of the path written as colons.
     */
    static Lock open(CuratorFramework client, String kind, String path) throws Exception {
        String[] part = kind.split("/");
        switch (part[0]) {
            case "mutex":
                return of(new InterProcessMutex(client, path));
            case "read":
                return of(new InterProcessReadWriteLock(client, path).readLock());
            case "write":
                return of(new InterProcessReadWriteLock(client, path).writeLock());
            case "semaphoremutex":
                return of(new InterProcessSemaphoreMutex(client, path));
            case "semaphore":
                int limit = Integer.parseInt(part[1]);
                return new Permits(new InterProcessSemaphoreV2(client, path, limit), Integer.parseInt(part[2]));
            case "sharedsemaphore":
                SharedCount count = new SharedCount(client, part[1].replace(':', '/'), 0);
                count.start();
                return new Permits(new InterProcessSemaphoreV2(client, path, count), Integer.parseInt(part[2]));
            default:
                throw new IllegalArgumentException("no lock is a " + kind);
        }
    }

    private static Lock of(InterProcessLock lock) {
        return new Lock() {
            @Override
            public boolean acquire(long millis) throws Exception {
                if (millis < 0) {
                    lock.acquire();
                    return true;
                }
                return lock.acquire(millis, TimeUnit.MILLISECONDS);
            }

            @Override
            public void release() throws Exception {
                lock.release();
            }
        };
    }

    /** Some permits of a semaphore. */
    private static final class Permits implements Lock {
        private final InterProcessSemaphoreV2 semaphore;
        private final int permits;
        private Collection<Lease> leases = List.of();

        Permits(InterProcessSemaphoreV2 semaphore, int permits) {
            this.semaphore = semaphore;
            this.permits = permits;
        }

        @Override
        public boolean acquire(long millis) throws Exception {
            Collection<Lease> got = millis < 0
                    ? semaphore.acquire(permits)
                    : semaphore.acquire(permits, millis, TimeUnit.MILLISECONDS);
            if (got == null) {
                return false;
            }
            leases = got;
            return true;
        }

        @Override
        public void release() {
            semaphore.returnAll(leases);
            leases = List.of();
        }
    }
}
