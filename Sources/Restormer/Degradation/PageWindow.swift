import Basics

/// A rectangle of a page, which may reach beyond its edges: there the page is mirrored.
package struct PageWindow: Sendable, Hashable {
  /// The first column.
  package var x: Int
  /// The first row.
  package var y: Int
  /// Columns.
  package var width: Int
  /// Rows.
  package var height: Int

  /// A part of a page.
  init(x: Int, y: Int, width: Int, height: Int) {
    (self.x, self.y, self.width, self.height) = (x, y, width, height)
  }

  /// The whole page.
  package init(of page: Image) { (x, y, width, height) = (0, 0, page.width, page.height) }

  /// A random square of `size` pixels. Most of a page is paper: up to three empty squares are
  /// passed over.
  package init(size: Int, in page: Image, using generator: inout SplitMix64) {
    self.init(of: page)
    let (spanX, spanY) = (max(0, page.width - size) + 1, max(0, page.height - size) + 1)
    (width, height) = (size, size)
    for _ in 0..<4 {
      (x, y) = (
        Int(generator.next() % UInt64(spanX)), Int(generator.next() % UInt64(spanY))
      )
      if hasContent(page) { return }
    }
  }

  /// Whether light and dark pixels are in it; every third row and column is looked at.
  private func hasContent(_ page: Image) -> Bool {
    var (low, high) = (Float.infinity, -Float.infinity)
    for row in stride(from: y, to: min(y + height, page.height), by: 3) {
      for column in stride(from: x, to: min(x + width, page.width), by: 3) {
        let value = page.pixels[row * page.width + column]
        (low, high) = (min(low, value), max(high, value))
      }
    }
    return high - low > 0.2
  }

  /// The pixels of the window; transparent ones lie over white paper.
  func cut(_ page: Image) -> PlanarImage {
    var result = PlanarImage(page).window(x: x, y: y, width: width, height: height)
    guard let alpha = page.alpha else { return result }
    let opacity = PlanarImage(
      width: page.width, height: page.height, channels: 1, pixels: alpha
    ).window(x: x, y: y, width: width, height: height).pixels
    for index in result.pixels.indices {
      let share = opacity[index % opacity.count]
      result.pixels[index] = 1 + (result.pixels[index] - 1) * share
    }
    return result
  }

  /// The window with at least `margin` pixels more on every side, its edges on multiples of `grid`.
  fileprivate func widened(by margin: Int, grid: Int) -> PageWindow {
    func onGrid(_ place: Int, _ rule: FloatingPointRoundingRule) -> Int {
      Int((Double(place) / Double(grid)).rounded(rule)) * grid
    }
    var wide = self
    (wide.x, wide.y) = (onGrid(x - margin, .down), onGrid(y - margin, .down))
    wide.width = onGrid(x + width + margin, .up) - wide.x
    wide.height = onGrid(y + height + margin, .up) - wide.y
    return wide
  }
}

extension Degradation {
  /// The window of `page` and the same window after the degradation, which sees the page around it:
  /// blur brings in what lies beyond the edges, and JPEG's blocks lie as on the page.
  ///
  /// - Parameters:
  ///   - page: the whole clean page.
  ///   - window: the part of it that is wanted.
  ///   - channels: 1 or 3, into which the page is converted first; nil for its own.
  /// - Throws: `ImageError` when the window is too large for JPEG.
  package func pair(
    from page: Image, window: PageWindow, channels: Int? = nil
  ) throws -> TrainingPair {
    // Colour at half resolution has blocks of 16 x 16 pixels.
    let region = window.widened(by: reach, grid: values[.jpeg] == nil ? 1 : 16)
    let clean = try region.cut(page).converted(to: channels ?? page.channels)
    func inner(_ image: PlanarImage) -> PlanarImage {
      image.window(
        x: window.x - region.x, y: window.y - region.y, width: window.width, height: window.height)
    }
    return TrainingPair(input: inner(try apply(to: clean)), target: inner(clean))
  }
}
