/// What `--help` prints.
enum HelpTopic: Equatable {
  case overview
  case run
  case inspect
  case check

  var text: String {
    switch self {
    case .overview: Self.overviewText
    case .run: Self.runText
    case .inspect: Self.inspectText
    case .check: Self.checkText
    }
  }

  /// `ExitStatus`, as a user is told it.
  private static let exitStatuses = """
    EXIT STATUS
      the guest's own   it ended by itself; a Linux kernel that was turned off or restarted has 0
      125               wrong usage, or KVM failed
      126               the image is not acceptable
      127               the image is not there
      134               the guest panicked; the report is on standard error
      141               nobody reads the output any more (128 + SIGPIPE)
      130, 143          stopped by SIGINT or SIGTERM (128 + the signal)
    """

  private static let overviewText = """
    needletail - run Swift unikernels on KVM

    USAGE
      needletail run [options] IMAGE [ARG...]   boot an image and wait for its end
      needletail run [options] VMLINUX          the same for a Linux kernel
      needletail inspect IMAGE                  show what the loader sees in an image
      needletail check                          can this machine run guests?
      needletail help [COMMAND]                 this text, or a command's
      needletail --version

    \(exitStatuses)

    EXAMPLES
      needletail run hello.elf
      needletail run --memory 256M --report - service.elf --verbose

    """

  private static let runText = """
    needletail run - boot an image and wait for its end

    USAGE
      needletail run [options] IMAGE [ARG...]
      needletail run [--initrd FILE] [--cmdline TEXT] [options] VMLINUX

      Options come before IMAGE. Everything after it goes to the guest as it is; '--' ends the options.
      The guest's output is written to standard output. SIGINT and SIGTERM stop the guest, a second one at once.
      An image declares its devices. Its console is standard input and output, its entropy is the host's, and each of
      its block devices needs a --block of that name.
      VMLINUX is a Linux kernel as an ELF file, built with CONFIG_PVH; not the bzImage around it. Its console is a serial
      port, ttyS0, on standard input and output; its disks are every --block, in their order, and it has an entropy device:
      virtio over MMIO, described by ACPI.

    OPTIONS
      --memory SIZE, -m SIZE
          The guest's writable memory: data, stack, heap and page tables. A number with K, M or G, a multiple of 4K
          from 2M to 16G; 64M if not given. Pages that the guest never touches take nothing from the host.
          For a Linux kernel it is all of its memory, up to 3G; 256M if not given.
      --block NAME=PATH[,ro][,direct]
          Attach a regular file or a block device, of a whole number of 512-byte sectors, as the block device that the
          image declares as NAME. ',ro' lets the guest read only. ',direct' passes the host's page cache by. The file is
          locked: one machine writes it, or any number read it. Once for each device. A Linux kernel takes up to 8, by any
          name.
      --initrd FILE
          A Linux kernel's initial RAM disk.
      --cmdline TEXT
          A Linux kernel's command line, such as 'console=ttyS0 panic=-1', up to 2047 bytes; empty if not given.
      --no-aslr
          Put image and memory at the same addresses every time, the image where it was linked unless the memory is too
          large for that; for debugging. Not for Linux kernels.
      --report FILE
          Write a JSON report at the end: outcome, exits by kind, and where the time went. '-' is standard error. If the
          environment has NEEDLETAIL_SPAWN_NS (a CLOCK_MONOTONIC time in nanoseconds, taken just before this process was
          spawned), the report has the process's own start as its first phase.
      --help, -h
      --version, -V

    \(exitStatuses)

    """

  private static let inspectText = """
    needletail inspect - show what the loader sees in an image

    USAGE
      needletail inspect IMAGE

      Prints type, entry, segments with their protections, the note, and whether the image would be accepted and why not.
      A Linux kernel is judged as one.

    EXIT STATUS
      0     the image is acceptable
      126   it is not
      127   it is not there

    """

  private static let checkText = """
    needletail check - can this machine run guests?

    USAGE
      needletail check

      One line for each finding: the device, the permission to use it, the API version, each capability that is needed
      or useful, and which of KVM's back ends this is.

    EXIT STATUS
      0   it can
      1   it cannot; the lines that say why begin with 'no'

    """
}
