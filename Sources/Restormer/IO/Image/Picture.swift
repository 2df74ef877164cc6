/// What `Image` and `Bitmap` have in common: planes of rows, with what is said of them.
protocol Picture {
  var width: Int { get }
  var height: Int { get }
  /// 1 for gray, 3 for RGB.
  var channels: Int { get }
  /// Whether there is one plane more, of 0 transparent to 1 opaque.
  var hasAlpha: Bool { get }
  var bitDepth: Int { get }
  var iccProfile: [UInt8]? { get }
  var tags: ImageTags { get }

  /// Copies the columns `x` of row `y` of a plane, as values from 0 to 1.
  func read(_ plane: Int, _ y: Int, _ x: Range<Int>, into values: UnsafeMutablePointer<Float>)

  /// Replaces row `y` of a plane.
  mutating func write(_ plane: Int, _ y: Int, _ values: UnsafePointer<Float>)

  /// The same opacity and notes with other channels, their values still to be set.
  func withChannels(_ channels: Int) -> Self
}

extension Picture {
  /// The number of the alpha plane, if there is one.
  var alphaPlane: Int { channels }

  /// A row over white, as viewers show it: 1 + (value - 1) alpha.
  func readOverWhite(
    _ plane: Int, _ y: Int, _ x: Range<Int>, into values: UnsafeMutablePointer<Float>
  ) {
    read(plane, y, x, into: values)
    guard hasAlpha else { return }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: x.count) { alpha in
      read(alphaPlane, y, x, into: alpha.baseAddress!)
      for i in 0..<x.count { values[i] = 1 + (values[i] - 1) * alpha[i] }
    }
  }
}
