package realzk

import "os"

// backupDir holds the copy that Backup makes.
const backupDir = "backup"

// Backup copies the server's data as it is on disk, in place of an earlier copy.
// The server must not run.
func (s *Server) Backup() error { return s.copyData(dataDir, backupDir) }

// Restore puts the copy that Backup made in the place of the server's data. The
// server must not run.
func (s *Server) Restore() error { return s.copyData(backupDir, dataDir) }

func (s *Server) copyData(from, to string) error {
	if s.Running() {
		return s.errorf("its data cannot be copied while it runs")
	}
	if err := os.RemoveAll(s.dir.file(to)); err != nil {
		return s.errorf("%w", err)
	}
	if err := os.CopyFS(s.dir.file(to), os.DirFS(s.dir.file(from))); err != nil {
		return s.errorf("%w", err)
	}
	return nil
}
