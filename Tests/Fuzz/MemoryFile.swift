import CLinux

/// A file that is nowhere but in memory; for the life of the process.
func openMemoryFile() -> Int32 {
  var name = Array("/dev/shm/needletail-fuzz-XXXXXX".utf8CString)
  let descriptor = mkstemp(&name)
  require(descriptor >= 0 && unlink(name) == 0, "a file in memory")
  return descriptor
}

/// By which it can be opened again.
func path(of descriptor: Int32) -> String { "/proc/self/fd/\(descriptor)" }
