import MachineABI
import Testing

@Suite struct HeapTablesTests {
  @Test(arguments: [4096, 60 << 10, 65536 + 100, (1 << 20) - 4096, 1_234_567, 64 << 20, 16 << 30])
  func tablesAndUnitsFillTheRegion(_ size: Int) {
    let tables = HeapTables(regionSize: size)
    let needed = HeapTables.headSize + HeapTables.recordSize * (tables.unitCount + 1)
    #expect(tables.byteCount >= needed && tables.byteCount < needed + HeapTables.unitSize)
    #expect(tables.byteCount % HeapTables.unitSize == 0)
    let end = tables.byteCount + HeapTables.unitSize * tables.unitCount
    #expect(end <= size && end > size - 2 * HeapTables.unitSize)
  }
}
