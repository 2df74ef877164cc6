import Foundation

/// The reader of this process, named by `RESTORMER_FUZZ`.
private let reader: Reader = {
  let name = ProcessInfo.processInfo.environment["RESTORMER_FUZZ"] ?? ""
  guard let reader = Reader(rawValue: name) else {
    print(
      "RESTORMER_FUZZ: expected one of", Reader.allCases.map(\.rawValue).joined(separator: ", "))
    exit(2)
  }
  return reader
}()

/// With `RESTORMER_FUZZ_SEEDS=DIR` the seeds are written there, and nothing else is done.
@_cdecl("LLVMFuzzerInitialize")
public func initialize(
  _: UnsafeMutablePointer<CInt>?,
  _: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>?
) -> CInt {
  guard let folder = ProcessInfo.processInfo.environment["RESTORMER_FUZZ_SEEDS"] else { return 0 }
  do {
    for reader in Reader.allCases { try reader.writeSeeds(to: "\(folder)/\(reader.rawValue)") }
  } catch {
    print(error)
    exit(1)
  }
  exit(0)
}

/// libFuzzer's entry: one input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  reader.read(Array(UnsafeBufferPointer(start: bytes, count: count)))
  return 0
}
