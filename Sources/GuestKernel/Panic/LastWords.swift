#if hasFeature(Embedded)
  import CGuestKernel
  import MachineABI

  /// The panic message in the shared page, which the monitor prints when the guest traps.
  ///
  /// The standard library announces a failure through `putchar` and then traps. So what comes through `putchar` is kept
  /// here, and goes to the console only when the machine turns out to live on. Nothing here allocates.
  enum LastWords {
    private static var capacity: Int { Int(NEEDLETAIL_PANIC_MESSAGE_SIZE) }
    private static var length: Int { Int(sharedPage.pointee.panic_length) }

    static func clear() {
      sharedPage.pointee.panic_length = 0
    }

    static func append(byte: UInt8) {
      let length = length
      guard length < capacity else { return }
      needletail_shared_panic_message(sharedPage)[length] = CChar(bitPattern: byte)
      sharedPage.pointee.panic_length = UInt32(length + 1)
    }

    static func append(_ words: StaticString) {
      for index in 0..<words.utf8CodeUnitCount { append(byte: words.utf8Start[index]) }
    }

    /// Sizes are not negative; a request that was is shown as the huge number that it asks for.
    static func append(_ number: Int) { append(decimal: UInt(bitPattern: number)) }

    private static func append(decimal number: UInt) {
      if number >= 10 { append(decimal: number / 10) }
      append(byte: UInt8(0x30 + number % 10))
    }

    static func append(hexadecimal number: UInt) {
      append("0x")
      var shift = max(4, UInt.bitWidth - (number.leadingZeroBitCount & ~3))
      repeat {
        shift -= 4
        let digit = UInt8(truncatingIfNeeded: number >> UInt(shift)) & 0xf
        append(byte: digit < 10 ? 0x30 + digit : 0x57 + digit)
      } while shift > 0
    }

    /// Moves words that turned out not to be the last ones to the console.
    static func release() {
      let length = length
      guard length > 0 else { return }
      clear()
      Console.append(UnsafeRawBufferPointer(start: needletail_shared_panic_message(sharedPage), count: length))
    }

    private static var endsLine: Bool {
      let length = length
      return length > 0 && needletail_shared_panic_message(sharedPage)[length - 1] == 0x0a
    }

    static func append(character: UInt8) {
      if endsLine || length == capacity { release() }
      append(byte: character)
    }
  }

  /// The libc function through which the standard library prints.
  @c(putchar)
  func putchar(_ character: Int32) -> Int32 {
    LastWords.append(character: UInt8(truncatingIfNeeded: character))
    return character
  }
#endif
