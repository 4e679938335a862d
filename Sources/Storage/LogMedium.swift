/// A device divided as `RingGeometry` says.
struct LogMedium<Device: BlockStorage>: Sendable {
  typealias Failure = StorageError<Device.Failure>

  let device: Device
  let ring: RingGeometry

  /// Reads from a position on, which is at a sector's start; goes on at the ring's start behind its end.
  nonisolated(nonsending) func read(
    into buffer: UnsafeMutableRawBufferPointer, at position: UInt64
  ) async throws(Failure) {
    let first = Int(min(UInt64(buffer.count), ring.byteCountBeforeEnd(from: position)))
    do throws(Device.Failure) {
      try await device.read(
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<first]), at: ring.deviceOffset(of: position))
      guard first < buffer.count else { return }
      try await device.read(
        into: UnsafeMutableRawBufferPointer(rebasing: buffer[first...]), at: RingGeometry.ringOffset)
    } catch {
      throw .device(error)
    }
  }

  /// Writes from a position on, which is at a sector's start; goes on at the ring's start behind its end.
  nonisolated(nonsending) func write(_ buffer: UnsafeRawBufferPointer, at position: UInt64) async throws(Failure) {
    let first = Int(min(UInt64(buffer.count), ring.byteCountBeforeEnd(from: position)))
    do throws(Device.Failure) {
      try await device.write(
        UnsafeRawBufferPointer(rebasing: buffer[..<first]), at: ring.deviceOffset(of: position))
      guard first < buffer.count else { return }
      try await device.write(UnsafeRawBufferPointer(rebasing: buffer[first...]), at: RingGeometry.ringOffset)
    } catch {
      throw .device(error)
    }
  }

  nonisolated(nonsending) func flush() async throws(Failure) {
    do throws(Device.Failure) { try await device.flush() } catch { throw .device(error) }
  }

  nonisolated(nonsending) func write(_ superblock: Superblock, slot: Int) async throws(Failure) {
    let sector = SectorBuffer(byteCount: Int(sectorByteCount))
    superblock.write(to: sector.bytes, slot: slot)
    do throws(Device.Failure) {
      try await device.write(
        UnsafeRawBufferPointer(sector.bytes), at: UInt64(slot) * RingGeometry.superblockDistance)
    } catch {
      throw .device(error)
    }
  }
}
