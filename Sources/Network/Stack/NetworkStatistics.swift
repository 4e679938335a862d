/// What a stack has seen and done since it began, below TCP.
public struct NetworkStatistics: Equatable, Sendable {
  public var receivedFrames: UInt64 = 0
  public var receivedBytes: UInt64 = 0
  public var sentFrames: UInt64 = 0
  public var sentBytes: UInt64 = 0
  /// Frames and packets that are none, or have a wrong checksum or length.
  public var malformedPackets: UInt64 = 0
  /// Frames of protocols below IP that are not spoken here, or of a VLAN, and packets to addresses that are not ours.
  public var foreignPackets: UInt64 = 0
  /// Packets from addresses that no other host can have.
  public var spoofedPackets: UInt64 = 0
  public var reassembledDatagrams: UInt64 = 0
  /// Incomplete when their time was over, pushed out by others, or with fragments that overlap.
  public var failedReassemblies: UInt64 = 0
  public var answeredEchoes: UInt64 = 0
  public var sentErrors: UInt64 = 0
  /// ICMP errors that were due, but above the rate.
  public var suppressedErrors: UInt64 = 0
  public var receivedErrors: UInt64 = 0
  /// Path MTUs lowered by what routers said.
  public var loweredPathMTUs: UInt64 = 0
  public var receivedDatagrams: UInt64 = 0
  public var sentDatagrams: UInt64 = 0
  /// To ports that are not open.
  public var refusedDatagrams: UInt64 = 0
  /// For open ports whose queue is full.
  public var droppedDatagrams: UInt64 = 0
  /// Neighbours that did not answer.
  public var failedNeighbours: UInt64 = 0
  /// Packets of ours for which there was no route, no neighbour or no room.
  public var unsentPackets: UInt64 = 0
  /// Others that claimed an address of ours.
  public var addressConflicts: UInt64 = 0

  public init() {}
}
