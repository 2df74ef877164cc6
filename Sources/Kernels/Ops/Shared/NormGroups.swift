/// The work-group of LayerNorm's kernels on a GPU: neighbouring pixels side by side, and for each
/// several work-items that share its channels and hold them in registers, so that memory is read
/// once.
struct NormGroups {
  private let pixels: Int
  private let parts: Int
  private let share: Int

  /// Channels that an item holds without crowding others out, and at most.
  private static let (comfortable, most) = (12, 48)

  /// Groups of `items` work-items for tensors of `channels` channels; nil where an item would hold
  /// too many.
  private init?(channels: Int, items: Int) {
    var pixels = 32
    // Fewer pixels, more items for each: eight neighbours still fill a sector of memory.
    while pixels > 8, ceilingQuotient(channels, items / pixels) > Self.comfortable { pixels /= 2 }
    (self.pixels, parts) = (pixels, items / pixels)
    share = ceilingQuotient(channels, parts)
    if share > Self.most { return nil }
  }

  /// The largest group that the device and `kernel` allow; nil on CPUs, and where none does.
  /// - Throws: `OpenCLError` when the kernel does not build.
  static func fitting(
    _ channels: Int, kernel: String, on backend: OpenCLBackend, defines: [String: Int] = [:]
  ) throws -> NormGroups? {
    guard !backend.traits.isCPU else { return nil }
    for items in [256, 128, 64] where items <= backend.traits.maxGroupSize {
      guard let groups = NormGroups(channels: channels, items: items) else { continue }
      let largest = try backend.largestGroup(
        LayerNorm.name, kernel, defines: groups.defines.merging(defines) { $1 })
      if groups.items <= largest { return groups }
    }
    return nil
  }

  /// Numbers with which every kernel of the section compiles.
  static let defaults = ["NORM_PIXELS": 32, "NORM_PARTS": 8, "NORM_SHARE": 8]

  private var items: Int { pixels * parts }

  /// The tunables of the kernels that it sets.
  var defines: [String: Int] {
    ["NORM_PIXELS": pixels, "NORM_PARTS": parts, "NORM_SHARE": share]
  }

  /// Work-items for all pixels of `shape`.
  func global(_ shape: Shape) -> [Int] { [ceilingQuotient(shape.plane, pixels) * items, shape.n] }

  var local: [Int] { [items, 1] }
}
