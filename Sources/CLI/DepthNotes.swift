import Restormer

/// Images whose samples have another number of bits than their targets': what was rounded away
/// counts as an error.
struct DepthNotes {
  private var names: [String] = []

  /// Looks at one image and its target.
  mutating func add(_ name: String, _ image: Image, _ target: Image) {
    if image.bitDepth != target.bitDepth { names.append(name) }
  }

  /// Names the first of them, in one line.
  func tell() {
    Console.note(
      "8 bits a sample are compared with 16, whose finer steps count as errors", of: names)
  }
}
