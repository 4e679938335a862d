import CLinux
import KVM

/// Looks for a busy queue's chains on the devices' thread, again and again, and keeps the driver from telling of them.
///
/// A notification costs an exit, in which the guest stands still while the device works. Here each has a processor: the guest
/// makes the next requests while the device answers the last ones. What it costs is that processor, so it begins only behind many
/// notifications of many chains each; it ends soon after the last chain, and where the two do not work at the same time after all.
/// Used with the device lock held.
final class QueuePoller {
  /// A notification of so many chains is a busy queue's. The fewer there are, the more of the time either side waits for the other.
  static let busyChainCount = 8
  /// So many such notifications, one behind the other, begin it: some milliseconds of nothing else. A machine that reads
  /// a little and ends needs no second thread.
  static let busyNotificationCount = 64
  /// How many looks in vain, one behind the other, end it: together 200 to 300 µs, as KVM itself polls before it lets the thread of
  /// an idle guest sleep. It is also all that a hostile driver gets of a processor for a chain. Not a time, most of which
  /// would be somebody else's where this thread has to wait for its processor.
  static let looksInVainLimit = 300

  /// After so many turns it is seen what they were good for.
  static let turnsBetweenReviews = 64
  /// If in so many of them the driver had gone to sleep and was interrupted, it did not work meanwhile; and if this thread was kept
  /// from its processor for so much of the time, others want it. Then exits cost less.
  static let sleepLimit = 32
  static let waitingPercentLimit: UInt64 = 25
  /// Then twice as many notifications as before come in front of the next attempt, up to so many: one that fails because the
  /// scheduler has not found a processor for a new thread yet is soon repeated, and many that fail cost little.
  static let busyNotificationLimit = 4096

  private let loop: DeviceLoop
  /// How many notifications of a busy queue begin it now, and how many of them are missing.
  private var notificationsNeeded = busyNotificationCount
  private var notificationsLeft = busyNotificationCount
  /// Can always be read, so that the loop comes back to it as soon as it has seen to other descriptors; nil while nothing is looked
  /// for.
  private var event: Int32?
  private var looksInVain = 0
  /// The driver tells of chains again; what it did not tell of before is still looked for.
  private var isEnding = false
  private var turnsLeft = turnsBetweenReviews
  /// What the queue and the thread had at the last review.
  private var interruptCount: UInt64 = 0
  private var time = ThreadTime()
  private let now: () -> ThreadTime

  /// - Parameter now: the time of the thread that calls it.
  init(loop: DeviceLoop, now: @escaping () -> ThreadTime = ThreadTime.now) {
    self.loop = loop
    self.now = now
  }

  /// The driver has told of chains, and they were served.
  ///
  /// - Parameters:
  ///   - chainCount: how many there were that this is for.
  ///   - serve: serves what there is in the queue, and returns how many chains that were; kept until `stop()`.
  func notified(of chainCount: Int, in queue: Virtqueue, serve: @escaping () -> Int) {
    guard event == nil else { return }
    notificationsLeft = chainCount >= Self.busyChainCount ? notificationsLeft - 1 : notificationsNeeded
    guard notificationsLeft <= 0 else { return }
    notificationsLeft = notificationsNeeded
    do throws(SystemCallError) {
      let event = try valueOrErrno("eventfd", eventfd(1, Int32(EFD_CLOEXEC)))
      do throws(SystemCallError) {
        try loop.watch(event, for: .readable) { self.look(at: queue, serve) }
      } catch {
        close(event)
        throw error
      }
      self.event = event
      looksInVain = 0
      isEnding = false
      // The first turn's review only notes where it begins: this is another thread.
      turnsLeft = 1
      time = ThreadTime()
      interruptCount = queue.interruptCount
      queue.beginPolling()
    } catch {
      // No descriptor or no thread is left for it; the exits stay.
    }
  }

  /// On the loop's thread.
  private func look(at queue: Virtqueue, _ serve: () -> Int) {
    var count = 0
    // What is behind a turn's end is the next look's.
    _ = queue.serveTurn { count = serve() }
    if count > 0 {
      looksInVain = 0
      review(queue)
    } else if isEnding {
      // The last thing that was done in vain was to ask for the driver's notification.
      stop()
    } else {
      loop.yield()
      looksInVain += 1
      if looksInVain >= Self.looksInVainLimit { end(queue) }
    }
  }

  private func end(_ queue: Virtqueue) {
    isEnding = true
    queue.endPolling()
  }

  private func review(_ queue: Virtqueue) {
    turnsLeft -= 1
    guard turnsLeft <= 0, !isEnding else { return }
    turnsLeft = Self.turnsBetweenReviews
    let sleeps = queue.interruptCount - interruptCount
    interruptCount = queue.interruptCount
    let before = time
    time = now()
    guard before != ThreadTime() else { return }
    let waiting = time.waiting(since: before)
    guard sleeps >= UInt64(Self.sleepLimit) || waiting >= Self.waitingPercentLimit else {
      notificationsNeeded = Self.busyNotificationCount
      return
    }
    notificationsNeeded = min(2 * notificationsNeeded, Self.busyNotificationLimit)
    notificationsLeft = notificationsNeeded
    end(queue)
  }

  /// Looks no more, at a queue that is gone or whose driver tells of everything.
  func stop() {
    guard let event else { return }
    loop.stopWatching(event)
    close(event)
    self.event = nil
  }
}
