/// A picture on its way to the restored one: takes the network's rows, as seen on white, and stores
/// them as the picture stores its own.
///
/// Where α is the opacity, a viewer sees 1 + (p - 1) α of a stored p. What is to be seen
/// afterwards, with the restored opacity α', is p' = 1 + (seen - 1) / α'.
struct Restoration<P: Picture> {
  private let picture: P
  private(set) var result: P
  private var planes: [Crispness]
  private var opacity = Crispness()
  /// The largest level of the picture's samples.
  private let top: Float

  /// - Parameter channels: those of the result.
  init(of picture: P, channels: Int) {
    self.picture = picture
    top = picture.bitDepth == 16 ? 65_535 : 255
    result = channels == picture.channels ? picture : picture.withChannels(channels)
    planes = [Crispness](repeating: Crispness(), count: channels)
  }

  /// How much crisper the colours became, as seen on white.
  var crispness: Crispness { planes.reduce(Crispness(), +) }

  /// Takes a row of the opacity, as ink on white. It comes before the colours, which have to fit it
  /// as it is stored.
  mutating func setOpacity(_ y: Int, _ seen: [Float]) {
    opacity.add(y, before: picture.rowAsSeen(picture.alphaPlane, y), after: seen)
    result.write(
      result.alphaPlane, y, seen.map { (min(max(1 - $0, 0), 1) * top).rounded() / top })
  }

  /// Gives the opacity back where it became hardly crisper, as for a picture that was sharp
  /// already.
  mutating func finishOpacity(leastGain: Double?) {
    guard let leastGain, !opacity.grows(by: leastGain) else { return }
    for y in 0..<picture.height {
      result.write(result.alphaPlane, y, picture.row(picture.alphaPlane, y))
    }
  }

  /// Takes a row of one plane of colour.
  mutating func setColor(_ plane: Int, _ y: Int, _ seen: [Float]) {
    let source = min(plane, picture.channels - 1)
    let before = picture.rowAsSeen(source, y)
    planes[plane].add(y, before: before, after: seen)
    guard picture.hasAlpha else { return result.write(plane, y, seen) }
    let stored = picture.row(source, y)
    let (old, new) = (picture.row(picture.alphaPlane, y), result.row(result.alphaPlane, y))
    // A change that no viewer sees would be a large one behind little opacity.
    let leastChange = 0.5 / top
    let colors = seen.indices.map { x -> Float in
      let isChanged = abs(seen[x] - before[x]) >= leastChange
      guard new[x] > 0, isChanged || new[x] != old[x] else { return stored[x] }
      let wanted = isChanged ? seen[x] : before[x]
      return min(max(1 + (wanted - 1) / new[x], 0), 1)
    }
    result.write(plane, y, colors)
  }
}
