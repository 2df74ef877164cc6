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
    var findings: [TuningFinding] = []
    let chosen = try OperatorTuner(on: backend, rounds: repeats).tune(
      inferenceOperators(on: backend) + trainingOperators(on: backend)
    ) { finding in
      findings.append(finding)
      let settings = finding.settings.isEmpty ? "defaults" : describe(finding.settings)
      Console.print(
        "\(finding.key): \(settings)" + String(format: ", saves %.0f%%", 100 * finding.gain))
    }
    for row in ShippingRow.rows(findings) { show(row, backend) }
    let file = TuningFile(backend.context.device)
    if file.store(chosen, for: backend.traits) {
      Console.print("kept for this device and driver")
    } else {
      Console.warn("the choices could not be kept: the cache folder takes no files")
    }
  }

  /// A row as `ShippedSettings` has it.
  private func show(_ row: ShippingRow, _ backend: OpenCLBackend) {
    guard !row.settings.isEmpty else {
      return Console.print("to ship for \(row.family): the defaults")
    }
    let settings = row.settings.map { ".\($0.key.rawValue): \($0.value)" }.sorted()
    let traits = backend.traits
    Console.print(
      "to ship: Row(kind: .\(traits.kind), vectorWidth: \(traits.vectorWidth), "
        + "family: \"\(row.family)\", settings: [\(settings.joined(separator: ", "))]),"
        + String(format: "  // saves %.0f%%", 100 * row.gain))
  }
}

/// The tuner has nothing to do.
struct TuningError: Error, CustomStringConvertible {
  let description: String
}
