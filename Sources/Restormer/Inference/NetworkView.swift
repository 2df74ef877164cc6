/// What a network is shown of a picture: some of its planes, over white as a viewer sees them, as
/// bright as if its paper were white; or its opacity, as ink on white paper.
struct NetworkView<P: Picture> {
  let picture: P
  /// The plane for each of the network's channels.
  let planes: [Int]
  /// The exposure, by which values are divided.
  let exposure: Float
  /// The paper where it is not the same everywhere, by which values are divided instead.
  let illumination: Illumination?

  /// A view of planes of `picture`.
  init(_ picture: P, planes: [Int], exposure: Float = 1, illumination: Illumination? = nil) {
    (self.picture, self.planes, self.exposure, self.illumination) = (
      picture, planes, exposure, illumination
    )
  }

  /// Copies a part of a row of one plane.
  private func read(
    _ plane: Int, _ y: Int, _ x: Range<Int>, into values: UnsafeMutablePointer<Float>
  ) {
    picture.readAsSeen(plane, y, x, into: values)
    if let paper = illumination?.row(plane, y, x) {
      for i in 0..<x.count { values[i] /= paper[i] }
    } else if exposure != 1 {
      for i in 0..<x.count { values[i] /= exposure }
    }
  }

  /// The window at `(x, y)` of `width x height`, mirrored beyond the edges.
  func window(_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> PlanarImage {
    let columns = (x..<x + width).map { mirrored($0, picture.width) }
    let isInside = x >= 0 && x + width <= picture.width
    var line = [Float](repeating: 0, count: isInside ? 0 : picture.width)
    let count = planes.count * height * width
    let pixels = [Float](unsafeUninitializedCapacity: count) { out, initialized in
      for (index, plane) in planes.enumerated() {
        for row in 0..<height {
          let target = out.baseAddress! + (index * height + row) * width
          let source = mirrored(y + row, picture.height)
          if isInside {
            read(plane, source, x..<x + width, into: target)
          } else {
            read(plane, source, 0..<picture.width, into: &line)
            for i in 0..<width { target[i] = line[columns[i]] }
          }
        }
      }
      initialized = count
    }
    return PlanarImage(width: width, height: height, channels: planes.count, pixels: pixels)
  }
}

extension Picture {
  /// A row as a viewer sees it on white; of the opacity, as ink on white paper.
  func readAsSeen(
    _ plane: Int, _ y: Int, _ x: Range<Int>, into values: UnsafeMutablePointer<Float>
  ) {
    guard hasAlpha, plane == alphaPlane else { return readOverWhite(plane, y, x, into: values) }
    read(plane, y, x, into: values)
    for i in 0..<x.count { values[i] = 1 - values[i] }
  }

  /// A whole row as a viewer sees it.
  func rowAsSeen(_ plane: Int, _ y: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: width) { values, count in
      readAsSeen(plane, y, 0..<width, into: values.baseAddress!)
      count = width
    }
  }

  /// A whole row as it is stored.
  func row(_ plane: Int, _ y: Int) -> [Float] {
    [Float](unsafeUninitializedCapacity: width) { values, count in
      read(plane, y, 0..<width, into: values.baseAddress!)
      count = width
    }
  }

  /// Whether the opacity has anything to restore: neither the same everywhere nor a mask of all or
  /// nothing.
  var hasSoftAlpha: Bool {
    guard hasAlpha else { return false }
    let first = row(alphaPlane, 0)[0]
    var (isEven, isMask) = (true, true)
    for y in 0..<height where isEven || isMask {
      for value in row(alphaPlane, y) {
        if value != first { isEven = false }
        if value != 0, value != 1 { isMask = false }
      }
    }
    return !isEven && !isMask
  }
}
