/// No network gives a sharp page back bit for bit, so a model may say from when on it helps.
extension ModelWeights {
  static let crispnessKey = "restormer.least_crispness_gain"

  /// How many times as crisp a picture has to become to be worth changing, as the weights' metadata say; nil for weights
  /// that change everything.
  public var leastCrispnessGain: Double? { metadata[Self.crispnessKey].flatMap { Double($0) } }

  /// Whether `picture` was sharp already, which shows in `restored` being hardly crisper. Then it is better left alone.
  ///
  /// Where Δ are the steps between neighbours, the gain is Σ Δrestored² / Σ Δpicture Δrestored: how much steeper the
  /// restored picture's own edges became. The picture's noise, which they do not share, cancels out of the second sum.
  public func leavesAlone(_ picture: Image, restored: Image) -> Bool {
    guard let least = leastCrispnessGain, picture.channels == restored.channels else {
      return false
    }
    return restored.steps(with: restored) <= least * picture.steps(with: restored)
  }
}

extension Image {
  /// Σ Δa Δb over both directions, of this picture and another of its size.
  fileprivate func steps(with other: Image) -> Double {
    func product(_ from: Int, _ to: Int) -> Double {
      Double((pixels[to] - pixels[from]) * (other.pixels[to] - other.pixels[from]))
    }
    var sum = 0.0
    for row in 0..<channels * height {
      let start = row * width
      for x in start..<start + width - 1 { sum += product(x, x + 1) }
      guard row % height > 0 else { continue }
      for x in start..<start + width { sum += product(x - width, x) }
    }
    return sum
  }
}
