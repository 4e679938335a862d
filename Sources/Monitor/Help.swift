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
      125               wrong usage, KVM failed, or a network that is required was lost
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
      needletail run --net net=passt -p 8080:80 http.elf

    """

  private static let runText = """
    needletail run - boot an image and wait for its end

    USAGE
      needletail run [options] IMAGE [ARG...]
      needletail run [--initrd FILE] [--cmdline TEXT] [options] VMLINUX

      Options come before IMAGE. Everything after it goes to the guest as it is; '--' ends the options.
      The guest's output is written to standard output. SIGINT and SIGTERM stop the guest, a second one at once.
      An image declares its devices. Its console is standard input and output, its entropy is the host's, each of its
      block devices needs a --block of that name, and each of its networks a --net of that name.
      VMLINUX is a Linux kernel as an ELF file, built with CONFIG_PVH; not the bzImage around it. Its console is a serial
      port, ttyS0, on standard input and output; its disks are every --block, in their order, its network interfaces every
      --net, and it has an entropy device: virtio over MMIO, described by ACPI.

    OPTIONS
      --memory SIZE, -m SIZE
          The guest's writable memory: data, stack, heap and page tables. A number with K, M or G, a multiple of 4K
          from 2M to 16G; 64M if not given. Pages that the guest never touches take nothing from the host.
          For a Linux kernel it is all of its memory, up to 3G; 256M if not given.
      --block NAME=PATH[,ro][,direct]
          Attach a regular file or a block device, of a whole number of 512-byte sectors, as the block device that the
          image declares as NAME. ',ro' lets the guest read only. ',direct' passes the host's page cache by. The file is
          locked: one machine writes it, or any number read it. Once for each device. A Linux kernel takes up to 8 of
          --block and --net together, by any names.
      --net NAME=BACKEND[,mac=ADDRESS][,mtu=BYTES][,required]
          Attach the network interface that the image declares as NAME to one of these, once for each interface:
            tap:INTERFACE   a TAP interface of the host's, with checksums and segmentation left to the kernel. One that is
                            there and permitted to the user ('ip tuntap add INTERFACE mode tap user NAME'), or a new
                            one where that is permitted.
            passt           the program passt, for which nobody needs to be root: the guest has the host's addresses, and
                            reaches what the host reaches. Ports lead to the guest where --publish says so.
            unix:PATH       a listening local socket whose other side speaks as passt and QEMU's '-netdev stream' do:
                            each frame comes behind its length in 32 bits, the highest first.
            fd:NUMBER       an open descriptor: a TAP interface's, a connected stream socket's that is spoken to like that,
                            or a socket's that keeps messages apart, each being a frame.
          Without mac= the guest has the same address as long as the host runs. mtu= tells the guest the most that its
          packets may have, where the interface or passt does not.
          If the other side goes away, a line says so and the machine runs on without the link; with ',required' it ends,
          with status 125.
      --publish [NAME=][ADDRESS:]PORT:GUESTPORT[/udp], -p ...
          Let passt lead a port of the host's, on one address or on all, to a port of the guest's; of TCP, or UDP. Any
          number of times. NAME= is needed with more than one --net NAME=passt.
      --pcap [NAME=]FILE
          Record every frame of the interface NAME, or of the only one, both ways, in a file for tcpdump or Wireshark.
          Frames are recorded as they pass: long segments are not cut, and checksums left to the kernel are not made yet.
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
