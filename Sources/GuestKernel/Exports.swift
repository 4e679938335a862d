// `async` and `await` need no import in Swift; in Embedded Swift they do, unless somebody re-exports the module.
@_exported import _Concurrency
