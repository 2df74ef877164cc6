import Foundation
import Kernels
import Restormer

extension BenchmarkPlan {
  /// Tunes the opened device for the operators of the plan, and says what was found.
  func tune(_ opened: OpenedBackend) throws {
    guard case .openCL(let backend) = opened else {
      throw TuningError(description: "--tune: the CPU backend leaves nothing open; name a device")
    }
    Console.print("device: \(opened.name)")
    let model = ModelBenchmark(weights, on: backend, repeats: repeats)
    let chosen = try OperatorTuner(on: backend, rounds: repeats).tune(
      model.inferenceOperators(image) + model.trainingOperators(batch)
    ) { finding in
      let settings = finding.settings.isEmpty ? "defaults" : describe(finding.settings)
      Console.print(
        "\(finding.key): \(settings)" + String(format: ", saves %.0f%%", 100 * finding.gain))
    }
    let file = TuningFile(backend.context.device)
    if file.store(chosen, for: backend.traits) {
      Console.print("kept for this device and driver")
    } else {
      Console.warn("the choices could not be kept: the cache folder takes no files")
    }
  }
}

/// The tuner has nothing to do.
struct TuningError: Error, CustomStringConvertible {
  let description: String
}
