import CrashPrimitives
import GuestKernel

// Every failure has a function of its own that is never inlined, so that its name stands in the backtrace.

@inline(never)
func stop() {
  fatalError("asked to stop")
}

@inline(never)
func indexOutOfRange(array: [Int], index: Int) -> Int {
  array[index]
}

@inline(never)
func nilUnwrapped(_ number: Int?) -> Int {
  number!
}

@inline(never)
func overflow(_ number: Int8) -> Int8 {
  number + 1
}

@inline(never)
func stackOverflow(depth: Int) -> Int {
  // Not a tail call: the sum is made after the return.
  depth == .max ? 0 : stackOverflow(depth: depth + 1) + depth
}

@inline(never)
func readNull() {
  crash_read(8)
}

@inline(never)
func writeToText() {
  crash_write(crash_address_of_text())
}

@inline(never)
func writeToConstant() {
  crash_write(crash_address_of_constant())
}

@inline(never)
func jumpToHeap() {
  let code = UnsafeMutablePointer<UInt8>.allocate(capacity: 16)
  code.initialize(repeating: 0xc3, count: 16)  // RET, if it were executable
  crash_jump(UInt(bitPattern: code))
}

@inline(never)
func jumpToStack() {
  withUnsafeTemporaryAllocation(byteCount: 16, alignment: 16) { code in
    code.initializeMemory(as: UInt8.self, repeating: 0xc3)
    crash_jump(UInt(bitPattern: code.baseAddress))
  }
}

@inline(never)
func wildRead() {
  crash_read(0x7000_0000_0000)
}

@inline(never)
func outOfMemory() {
  var blocks: [[UInt8]] = []
  while true { blocks.append([UInt8](repeating: 1, count: 1 << 20)) }
}

@inline(never)
func doubleFree() {
  let block = UnsafeMutableRawPointer.allocate(byteCount: 100, alignment: 16)
  block.deallocate()
  block.deallocate()
}

@inline(never)
func divideByZero() {
  crash_divide_by_zero()
}

@inline(never)
func privilegedInstruction() {
  crash_privileged_instruction()
}

@inline(never)
func deadlock() async {
  await withUnsafeContinuation { (_: UnsafeContinuation<Void, Never>) in }
}
