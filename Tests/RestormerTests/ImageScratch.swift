import XCTest

/// A folder of its own for each test, gone afterwards.
final class ImageScratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "restormer-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  var names: [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: path).sorted()) ?? []
  }
}

extension ImageScratch {
  /// Writes bytes under a name and gives their path.
  func write(_ bytes: [UInt8], _ name: String = "image.png") throws -> String {
    let path = file(name)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }
}
