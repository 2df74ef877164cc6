/// Brings a picture's own pixels back where the network had nothing to restore.
struct PageBlend<P: Picture> {
  private let picture: P
  private let map: PageMap
  private let rows: Int
  /// For each plane and cell the mean by which the restored picture is too dark.
  private let shift: [[Float]]

  /// - Parameters:
  ///   - picture: as it was.
  ///   - restored: what the network made of it, of as many channels.
  init(_ picture: P, restored: P, _ map: PageMap) {
    (self.picture, self.map) = (picture, map)
    rows = map.weights.count / map.columns
    // Blur keeps the mean of a region, so what differs there is the network's own. Behind opacity
    // nothing is comparable.
    shift =
      picture.hasAlpha
      ? [] : (0..<picture.channels).map { Self.shift($0, picture, restored, map.columns) }
  }

  /// A network that takes noise away brings paper that was cut off at white back to white: so much
  /// is left to it.
  private static var usualShift: Float { 8.0 / 255 }

  private static func shift(_ plane: Int, _ picture: P, _ restored: P, _ columns: Int) -> [Float] {
    let side = PageCell.side
    let rows = (picture.height + side - 1) / side
    var sums = [Float](repeating: 0, count: rows * columns)
    var counts = sums
    for y in 0..<picture.height {
      let (given, made) = (picture.row(plane, y), restored.row(plane, y))
      for x in 0..<picture.width {
        let cell = y / side * columns + x / side
        sums[cell] += given[x] - made[x]
        counts[cell] += 1
      }
    }
    return zip(sums, counts).map { sum, count in
      let mean = sum / max(1, count)
      return mean - min(max(mean, -usualShift), usualShift)
    }
  }

  /// Changes `restored` into the blend.
  func apply(to restored: inout P) {
    let columns = (0..<picture.width).map { Neighbors($0, count: map.columns) }
    for y in 0..<picture.height {
      let line = Neighbors(y, count: rows)
      let kept = between(map.weights, line, columns)
      for plane in 0..<picture.channels {
        let (given, made) = (picture.row(plane, y), restored.row(plane, y))
        let shift = shift.isEmpty ? nil : between(shift[plane], line, columns)
        restored.write(
          plane, y,
          given.indices.map { x in
            given[x] + kept[x] * (made[x] + (shift?[x] ?? 0) - given[x])
          })
      }
    }
  }

  /// The values of cells between their middles.
  private func between(_ cells: [Float], _ line: Neighbors, _ columns: [Neighbors]) -> [Float] {
    let (upper, lower) = (line.first * map.columns, line.second * map.columns)
    return columns.map { column in
      let above = column.mix(cells[upper + column.first], cells[upper + column.second])
      let below = column.mix(cells[lower + column.first], cells[lower + column.second])
      return line.mix(above, below)
    }
  }
}

/// The two cells between whose middles a row or column of pixels lies.
private struct Neighbors {
  let first: Int
  let second: Int
  private let share: Float

  init(_ position: Int, count: Int) {
    let place = (Float(position) + 0.5) / Float(PageCell.side) - 0.5
    first = min(max(0, Int(place.rounded(.down))), count - 1)
    second = min(first + 1, count - 1)
    share = min(max(0, place - Float(first)), 1)
  }

  func mix(_ a: Float, _ b: Float) -> Float { a + share * (b - a) }
}

extension PageDecision {
  /// What of `restored` is kept and what of `picture` comes back: the entry point for pictures in
  /// memory.
  package static func hold(_ restored: inout Image, to picture: Image) -> PageDecision {
    decide(&restored, picture, illumination: Illumination(of: picture, 0..<picture.channels))
  }

  /// Decides what of a restored picture is kept, and brings the rest of `picture` back: the entry
  /// point of this folder.
  static func decide<P: Picture>(
    _ restored: inout P, _ picture: P, illumination: Illumination?
  ) -> PageDecision {
    guard picture.width > 0, picture.height > 0, restored.channels == picture.channels else {
      return PageDecision(kind: .page, share: 1)
    }
    let map = PageMap(picture, restored: restored, illumination: illumination)
    if map.decision.isLeftAlone {
      restored = picture
    } else {
      PageBlend(picture, restored: restored, map).apply(to: &restored)
    }
    return map.decision
  }
}
