import ArgumentParser
import Restormer

/// The option of every command that restores.
struct LocalStatisticsOptions: ParsableArguments {
  @Option(
    name: .long, parsing: .unconditional,
    help: ArgumentHelp(
      "Where attention takes its statistics from: off, the whole image; N, windows of N pixels; "
        + "auto, windows where the weights say that they were trained on patches less than "
        + "half as large as the image. (default: auto)",
      valueName: "auto|off|N"),
    transform: LocalStatistics.init(text:))
  var localStatistics = LocalStatistics.automatic
}

extension LocalStatistics {
  /// - Throws: `ValidationError` with what was expected.
  fileprivate init(text: String) throws {
    switch text.lowercased() {
    case "auto": self = .automatic
    case "off": self = .off
    default:
      let sides = Self.smallest...ImageHeader.maximumSide
      guard let side = Int(text), sides.contains(side) else {
        throw ValidationError(
          "expected auto, off or a whole number from \(sides.lowerBound) to \(sides.upperBound)")
      }
      self = .pixels(side)
    }
  }
}
