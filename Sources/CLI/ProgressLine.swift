import Foundation

/// A progress bar with the time left, redrawn in place on a terminal; silent elsewhere.
struct ProgressLine {
  private let start = Date()
  private var lastDrawn = Date.distantPast

  /// Draws the bar for `fraction` in 0...1, at most ten times a second.
  mutating func update(_ fraction: Double, _ label: String) {
    guard Console.isTerminal, Date().timeIntervalSince(lastDrawn) > 0.1 else { return }
    lastDrawn = Date()
    let done = min(1, max(0, fraction))
    let width = min(30, max(4, Console.columns / 3 - 2))
    let filled = Int(done * Double(width))
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
    let elapsed = Date().timeIntervalSince(start)
    let left = done > 0.01 ? duration(elapsed * (1 - done) / done) + " left" : ""
    Console.redraw("\(bar) \(Int(100 * done))% \(left)  \(label)")
  }

  /// Removes the bar so that a line can be printed.
  mutating func clear() {
    lastDrawn = .distantPast
    Console.clearLine()
  }
}

/// Seconds for people: `0.42 s`, `3.1 s`, `4 min 05 s`, `2 h 10 min`.
func duration(_ seconds: Double) -> String {
  if seconds < 1 { return String(format: "%.2f s", seconds) }
  if seconds < 60 { return String(format: "%.1f s", seconds) }
  if seconds < 3600 { return String(format: "%d min %02d s", Int(seconds) / 60, Int(seconds) % 60) }
  return String(format: "%d h %02d min", Int(seconds) / 3600, Int(seconds) % 3600 / 60)
}
