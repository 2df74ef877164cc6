/// Windows of one size along one side of an image, as test-time local statistics lay them: as few
/// as cover it, about evenly spaced, the last one flush with the end.
///
/// The windows' starts and ends cut the side into cells, within which all pixels lie in the same
/// windows. Two neighbouring windows overlap, or else the last two only: so cuts and cells follow
/// from their numbers, and nothing has to be searched for.
package struct WindowAxis: Hashable, Sendable {
  /// Pixels of the side.
  let size: Int
  /// Pixels of a window.
  let window: Int
  /// From one window to the next, but the last.
  let step: Int
  /// Windows.
  package let count: Int

  /// Windows of at most `window` pixels: one where that is no less than the side, else as many as
  /// cover it, whose distance is rounded up; the last one then overlaps its neighbour the more.
  package init(size: Int, window: Int) {
    self.size = size
    self.window = min(size, window)
    count = ceilingQuotient(size, self.window)
    step = count == 1 ? self.window : ceilingQuotient(size - self.window, count - 1)
  }

  /// Whether every two neighbours overlap; a window is less than two steps long where there are
  /// more than two.
  private var overlaps: Bool { step < window }

  /// Where a window starts.
  package func start(_ index: Int) -> Int { min(index * step, size - window) }

  /// Cells.
  package var cells: Int { overlaps ? 2 * count - 1 : count + (size % step == 0 ? 0 : 1) }

  /// Where a cell starts, and the one before it ends: starts and ends of all windows in order.
  package func cut(_ index: Int) -> Int {
    guard index < cells else { return size }
    guard overlaps else { return index < count ? start(index) : (count - 1) * step }
    if index % 2 == 1 { return start((index + 1) / 2) }
    return index == 0 ? 0 : (index / 2 - 1) * step + window
  }

  /// The cells of a window: none lies in one only partly.
  package func cells(of index: Int) -> Range<Int> {
    guard overlaps else {
      return index..<index + 1 + (index + 2 >= count && size % step > 0 ? 1 : 0)
    }
    return max(0, 2 * index - 1)..<min(cells, 2 * index + 2)
  }

  /// The windows over a cell.
  package func windows(over cell: Int) -> Range<Int> {
    let first = cut(cell)
    let begin = first < window ? 0 : min((first - window) / step + 1, count - 1)
    return begin..<(first < size - window ? first / step + 1 : count)
  }

  /// The cells that pixels lie in.
  package func cells(over pixels: Range<Int>) -> Range<Int> {
    guard let last = pixels.last else { return 0..<0 }
    return cell(at: pixels.lowerBound)..<cell(at: last) + 1
  }

  /// The cell that a pixel lies in: not far from those of the window that starts before it.
  func cell(at pixel: Int) -> Int {
    var cell = max(0, (overlaps ? 2 : 1) * min(pixel / step, count - 1) - 2)
    while cut(cell + 1) <= pixel { cell += 1 }
    return cell
  }

  /// Pixels of the longest cell.
  var widestCell: Int { (0..<cells).map { cut($0 + 1) - cut($0) }.max() ?? 0 }
}
