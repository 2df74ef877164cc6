/// Windows of one size along one side of an image, as test-time local statistics lay them: as few
/// as cover it, about evenly spaced, the last one flush with the end.
///
/// The windows' starts and ends cut the side into cells, within which all pixels lie in the same
/// windows.
struct WindowAxis: Hashable, Sendable {
  /// Pixels of the side.
  let size: Int
  /// Pixels of a window.
  let window: Int
  /// From one window to the next, but the last.
  let step: Int
  /// Windows.
  let count: Int

  /// Windows of at most `window` pixels: one where that is no less than the side, else as many as
  /// cover it, whose distance is rounded up; the last one then overlaps its neighbour the more.
  init(size: Int, window: Int) {
    self.size = size
    self.window = min(size, window)
    let wanted = ceilingQuotient(size, self.window)
    step =
      wanted == 1 ? self.window : ceilingQuotient(size - self.window, wanted - 1)
    count = ceilingQuotient(size - self.window, step) + 1
  }

  /// Where a window starts.
  func start(_ index: Int) -> Int { min(index * step, size - window) }

  /// Starts and ends of all windows in order: cell i lies between the cuts i and i + 1.
  var cuts: [Int] {
    let starts = (0..<count).map(start)
    return Set(starts + starts.map { $0 + window }).sorted()
  }

  /// Cells.
  var cells: Int { cuts.count - 1 }

  /// Pixels of the longest cell.
  var widestCell: Int { zip(cuts, cuts.dropFirst()).map { $1 - $0 }.max() ?? 0 }
}
