/// Sixteen neighbouring pixels: the unit in which the CPU twins walk along a plane.
typealias Lanes = SIMD16<Float>

extension UnsafePointer<Float> {
  /// The sixteen values at `index`; up to fifteen may lie behind a plane's end.
  @inline(__always)
  func lanes(_ index: Int) -> Lanes {
    UnsafeRawPointer(self + index).loadUnaligned(as: Lanes.self)
  }
}

extension UnsafeMutablePointer<Float> {
  /// The sixteen values at `index`; up to fifteen may lie behind a plane's end.
  @inline(__always)
  func lanes(_ index: Int) -> Lanes { UnsafePointer(self).lanes(index) }

  /// Stores the first `count` of sixteen values at `index`.
  @inline(__always)
  func store(_ lanes: Lanes, at index: Int, count: Int) {
    if count >= 16 {
      UnsafeMutableRawPointer(self + index).storeBytes(of: lanes, as: Lanes.self)
    } else {
      for lane in 0..<count { self[index + lane] = lanes[lane] }
    }
  }
}
