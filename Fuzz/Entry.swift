import Foundation
import TestSupport

/// libFuzzer's loop.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ body: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

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

/// One input, under the name that libFuzzer's library asks for.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  reader.read(Array(UnsafeBufferPointer(start: bytes, count: count)))
  return 0
}

/// Feeds one reader; with `RESTORMER_FUZZ_SEEDS=DIR` writes the seeds of all of them there instead.
@main
enum Fuzz {
  static func main() throws {
    if let folder = ProcessInfo.processInfo.environment["RESTORMER_FUZZ_SEEDS"] {
      for reader in Reader.allCases { try reader.writeSeeds(to: "\(folder)/\(reader.rawValue)") }
      return
    }
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    exit(runDriver(&count, &arguments, testOneInput))
  }
}
