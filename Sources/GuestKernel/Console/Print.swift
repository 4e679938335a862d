#if hasFeature(Embedded)
  // Swift's `print` takes any number of items of any type; that of Embedded Swift takes one, and parameter packs do not
  // compile there yet. Hence one function for each number of items, up to six.

  /// Ends a line on the console.
  public func print() {
    write("\n")
  }

  /// Writes the items' descriptions to the console. See Swift's `print`.
  public func print<I1: CustomStringConvertible>(
    _ i1: I1, separator: String = " ", terminator: String = "\n"
  ) {
    write(i1.description + terminator)
  }

  /// Writes the items' descriptions to the console. See Swift's `print`.
  public func print<I1: CustomStringConvertible, I2: CustomStringConvertible>(
    _ i1: I1, _ i2: I2, separator: String = " ", terminator: String = "\n"
  ) {
    write(i1.description + separator + i2.description + terminator)
  }

  /// Writes the items' descriptions to the console. See Swift's `print`.
  public func print<I1: CustomStringConvertible, I2: CustomStringConvertible, I3: CustomStringConvertible>(
    _ i1: I1, _ i2: I2, _ i3: I3, separator: String = " ", terminator: String = "\n"
  ) {
    write(i1.description + separator + i2.description + separator + i3.description + terminator)
  }

  /// Writes the items' descriptions to the console. See Swift's `print`.
  public func print<
    I1: CustomStringConvertible, I2: CustomStringConvertible, I3: CustomStringConvertible, I4: CustomStringConvertible
  >(
    _ i1: I1, _ i2: I2, _ i3: I3, _ i4: I4, separator: String = " ", terminator: String = "\n"
  ) {
    write(
      i1.description + separator + i2.description + separator + i3.description + separator + i4.description + terminator
    )
  }

  /// Writes the items' descriptions to the console. See Swift's `print`.
  public func print<
    I1: CustomStringConvertible, I2: CustomStringConvertible, I3: CustomStringConvertible, I4: CustomStringConvertible,
    I5: CustomStringConvertible
  >(
    _ i1: I1, _ i2: I2, _ i3: I3, _ i4: I4, _ i5: I5, separator: String = " ", terminator: String = "\n"
  ) {
    write(
      i1.description + separator + i2.description + separator + i3.description + separator + i4.description + separator
        + i5.description + terminator)
  }

  /// Writes the items' descriptions to the console. See Swift's `print`.
  public func print<
    I1: CustomStringConvertible, I2: CustomStringConvertible, I3: CustomStringConvertible, I4: CustomStringConvertible,
    I5: CustomStringConvertible, I6: CustomStringConvertible
  >(
    _ i1: I1, _ i2: I2, _ i3: I3, _ i4: I4, _ i5: I5, _ i6: I6, separator: String = " ", terminator: String = "\n"
  ) {
    write(
      i1.description + separator + i2.description + separator + i3.description + separator + i4.description + separator
        + i5.description + separator + i6.description + terminator)
  }

  private func write(_ text: String) {
    var text = text
    text.withUTF8 { Console.write(UnsafeRawBufferPointer($0)) }
  }
#endif
