import ArgumentParser
import Restormer

/// The option of every command that reads weights.
struct WeightsOptions: ParsableArguments {
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Which of several sets of weights in a file to take, such as params_ema; by default the "
        + "trained ones.")
  )
  var paramKey: String?
}

extension ModelWeights {
  /// Says so where averaging over flips and rotations (`--tta`) averages fewer than all.
  func tellEnsemble() {
    let others = symmetries.filter { $0 != .identity }.map(\.name)
    if others.isEmpty {
      Console.note(
        "--tta: these weights were trained on upright images only, there is nothing to average")
    } else if others.count < Symmetry.allCases.count - 1 {
      Console.note("--tta: averaged over identity, \(others.joined(separator: ", "))")
    }
  }
}
