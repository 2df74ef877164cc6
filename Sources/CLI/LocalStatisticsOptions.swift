import ArgumentParser
import Restormer

/// The option of every command that restores.
struct LocalStatisticsOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Where attention takes its statistics from: off, the whole image; N, windows of N pixels; "
        + "auto, windows where the weights say that they were trained on patches less than "
        + "half as large as the image.",
      valueName: "auto|off|N"))
  var localStatistics = LocalStatistics.automatic
}

extension LocalStatistics: ExpressibleByArgument {
  public init?(argument: String) {
    switch argument.lowercased() {
    case "auto": self = .automatic
    case "off": self = .off
    default:
      guard let side = Int(argument),
        (Self.smallest...ImageHeader.maximumSide).contains(side)
      else { return nil }
      self = .pixels(side)
    }
  }

  public var defaultValueDescription: String { "auto" }
}
