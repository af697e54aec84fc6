// Package sessionfile keeps the id and the password of a session in a file, for the process that is started after the one that has the
// session. The file is locked for as long as its client lives.
//
//	            Open                    Write                       Write
//	(no file) --------> locked, empty ---------> locked, session A ---------> locked, session B
//	                        ^                                                   |          |
//	                        +------------------------- Clear -------------------+          | the process dies,
//	                                                                                       | or Close
//	                    Open, Read                                                         v
//	    session B  <--------------------------------------------------------- unlocked, session B
//
// # Guarantees
//
//   - The client of the session that Read returns has ended. A record is accepted only from the file that it was written to, which
//     its inode number tells, and only until the machine is restarted. Its writer held the lock of that file, and the reader
//     holds that lock now.
//   - A process that is stopped, with SIGSTOP for example, keeps its lock.
//   - A process that dies leaves the old record or the new one. The record is written with one system call, over the old one, to space
//     that the file has had since Open. Nothing is flushed to the disk, because a record from before a crash of the machine is not
//     accepted anyway. Whatever a crash leaves behind fails the checksum.
//   - A file with other contents is not overwritten.
//   - Only the user whose process it is can read the file.
//
// # Assumptions
//
// The locks of the file system work between all processes on the machine that can open the file, as they do on local file systems.
// A network file system can lose the lock of a process that lives, when its server cannot be reached for a while. A copy of a virtual
// machine that was made while it ran has the lock and the session of the original.
//
// # Locks
//
// On Unix the lock is that of flock, which belongs to the open file and not to the process: two clients of one process exclude each
// other as well. Processes that the client's process starts do not inherit the file. On Windows the lock is that of LockFileEx, on a
// byte far behind the record, because Windows refuses to read what is locked.
//
// The data is in the locked file itself and is not replaced by renaming, because a rename would take the lock away from the name.
package sessionfile
