import CELF
import KVM
import MachineABI

/// What `needletail inspect` prints: as much as can be read of a file, and whether it would be run.
///
/// - Returns: several lines, each with its line feed; the last one is `accepted` or `not acceptable: REASON`. And whether
///   there is a file of this name.
public func inspection(of path: String) -> (report: String, isAcceptable: Bool, isFound: Bool) {
  var inspection = ImageInspection()
  var isFound = true
  do throws(ImageError) {
    let file = try ImageFile(opening: path)
    inspection.add("file", "\(path), \(file.size) bytes")
    inspection.describe(file)
    inspection.judge(file)
  } catch {
    inspection.add("file", path)
    inspection.refusal = error.reason
    isFound = error.kind != .notFound
  }
  guard let refusal = inspection.refusal else { return (inspection.report + "accepted\n", true, isFound) }
  return (inspection.report + "not acceptable: \(refusal)\n", false, isFound)
}

private struct ImageInspection {
  private(set) var report = ""
  var refusal: String?

  /// Adds a line.
  mutating func add(_ label: String, _ text: String) {
    report += label.padded(to: 14) + text + "\n"
  }

  /// Shows what the headers state, right or wrong.
  mutating func describe(_ file: borrowing ImageFile) {
    do throws(Refusal) {
      let headers = try ImageHeaders(of: file)
      add("type", "\(headers.file.typeName), machine \(headers.file.e_machine)")
      add("entry", headers.file.e_entry.hexadecimal)
      // Which segment is ring 0's is known only of an image that is right.
      let contents: ImageContents?
      do throws(Refusal) { contents = try ImageContents(of: file) } catch { contents = nil }
      describeSegments(headers.program, supervisor: contents?.segments.first { $0.isSupervisor })
      do throws(Refusal) {
        let notes = try ImageNotes(headers, of: file)
        describe(notes.contract)
        for declaration in notes.declarations { describe(declaration) }
      } catch {
        add("note", "not readable: \(error.reason)")
      }
      for header in headers.program where header.p_type == UInt32(PT_TLS) {
        add(
          "thread-locals",
          "\(header.p_memsz) bytes, \(header.p_filesz) of them at \(header.p_vaddr.hexadecimal),"
            + " alignment \(header.p_align)")
      }
    } catch {
      add("headers", "not readable: \(error.reason)")
    }
    switch SymbolTable.symbolCount(of: file.descriptor) {
    case nil: add("symbols", "not readable")
    case 0: add("symbols", "stripped")
    case let count?: add("symbols", "\(count)")
    }
  }

  private mutating func describeSegments(_ headers: [GElf_Phdr], supervisor: Segment?) {
    add("segments", ImageInspection.row("offset", "file size", "address", "memory size", "protection"))
    for header in headers where header.p_type == UInt32(PT_LOAD) {
      let isSupervisor = supervisor?.address == header.p_vaddr
      let isForOthers = header.p_flags & UInt32(NEEDLETAIL_SEGMENT_FOR_OTHER_LOADERS) != 0
      add(
        "",
        ImageInspection.row(
          header.p_offset.hexadecimal, header.p_filesz.hexadecimal, header.p_vaddr.hexadecimal,
          header.p_memsz.hexadecimal,
          header.flagNames + (isSupervisor ? " supervisor" : isForOthers ? " not loaded" : "")))
    }
  }

  private mutating func describe(_ note: ImageNote?) {
    guard let note else {
      add("note", "missing")
      return
    }
    add("note", "contract version \(note.contract_version), flags \(UInt64(note.flags).hexadecimal)")
    add("", "trap table at base + \(note.trap_table.hexadecimal)")
    add("", "minimum memory \(note.minimum_memory) bytes")
    add("", "stack size \(note.stack_size) bytes")
  }

  private mutating func describe(_ declaration: DeviceDeclaration) {
    let kind = DeclaredDevice.Kind(virtioID: declaration.kind)?.name ?? "kind \(declaration.kind)"
    add("device", kind.padded(to: 9) + (declaration.nameText ?? "(its name is not readable)"))
  }

  /// Does what a run does with the image, up to its relocations, or with the Linux kernel that it is instead.
  mutating func judge(_ file: borrowing ImageFile) {
    do throws(Refusal) {
      let contents = try ImageContents(of: file)
      let count = try contents.relocationCount(in: file)
      add("relocations", "\(count.rela) RELA, \(count.relr) RELR")
    } catch {
      guard LinuxKernel.isMeant(by: file) else {
        refusal = error.reason
        return
      }
      judgeKernel(file)
    }
  }

  private mutating func judgeKernel(_ file: borrowing ImageFile) {
    do throws(Refusal) {
      let kernel = try LinuxKernelContents(of: file)
      add("Linux kernel", "PVH entry at \(UInt64(kernel.entry).hexadecimal)")
    } catch {
      refusal = error.reason
    }
  }

  private static func row(_ cells: String...) -> String {
    var row = ""
    for cell in cells.dropLast() { row += cell.padded(to: 13) }
    return row + cells[cells.count - 1]
  }
}

extension ImageContents {
  /// Loads the segments into memory of their own and relocates them there.
  fileprivate func relocationCount(in file: borrowing ImageFile) throws(Refusal) -> (rela: UInt64, relr: UInt64) {
    let memory: MemoryMapping
    do {
      memory = try load(file.descriptor)
    } catch {
      throw Refusal(error.description)
    }
    return try relocate(UnsafeMutableRawBufferPointer(start: memory.baseAddress, count: memory.byteCount), bias: 0)
  }

  private func load(_ descriptor: borrowing FileDescriptor) throws(SystemCallError) -> MemoryMapping {
    let base = segments[0].address
    let memory = try MemoryMapping(anonymous: Int(segments[segments.count - 1].pageEnd - base))
    for segment in segments {
      // Within the mapping: a segment ends before the last one's page end.
      let target = UnsafeMutableRawBufferPointer(
        start: memory.baseAddress + Int(segment.address - base), count: Int(segment.fileSize))
      _ = try descriptor.read(into: target, at: Int(segment.fileOffset))
    }
    return memory
  }
}

extension String {
  /// The string with spaces behind it, at least one.
  fileprivate func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(width - utf8.count, 1))
  }
}
