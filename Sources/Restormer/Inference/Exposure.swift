/// A page in poor light is the same page, underexposed: a network that learned from white paper
/// need not see that.
extension ModelWeights {
  /// The metadata's key, as files have had it from the beginning.
  static let exposureKey = "restormer.paper"

  /// Whether the exposure of pages is to be corrected for the network until their paper is white,
  /// as the weights' metadata say.
  package var correctsExposure: Bool { metadata[Self.exposureKey] == "white" }
}

extension Picture {
  /// The exposure of a page, 0 to 1: how bright its paper is in `planes` together, the value that
  /// 1 % of the values exceed. It is 1 for what is no page of dark print on light paper, where most
  /// values are close to that one, and for what is all but black.
  func exposure(_ planes: Range<Int>) -> Float {
    // 1/1024 is finer than 8 bits, and counting is faster than sorting.
    let steps = 1024
    var counts = [Int](repeating: 0, count: steps + 1)
    for plane in planes {
      for y in 0..<height {
        // In this order what is no number counts as 0.
        for value in rowAsSeen(plane, y) { counts[Int(min(1, max(0, value)) * Float(steps))] += 1 }
      }
    }
    func value(exceededBy share: Double) -> Float {
      var left = Int(share * Double(planes.count * width * height))
      for step in (0...steps).reversed() {
        left -= counts[step]
        if left < 0 { return Float(step) / Float(steps) }
      }
      return 0
    }
    let (paper, middle) = (value(exceededBy: 0.01), value(exceededBy: 0.5))
    return paper > 0.1 && middle > 0.6 * paper ? paper : 1
  }
}
