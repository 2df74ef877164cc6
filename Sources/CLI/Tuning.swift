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
    try conclude(chosen, for: backend)
  }

  /// The closing check: whole passes with the choices and without, in turns. Operators are timed
  /// alone and warm; what wins there may lose among all the others.
  private func conclude(_ chosen: TunedParameters, for backend: OpenCLBackend) throws {
    let file = TuningFile(backend.context.device)
    let all = file.load(for: backend.traits).merging(chosen)
    let defaults = backend.tuned(by: TunedParameters())
    let time = try relativeTime(of: backend.tuned(by: all), beside: defaults)
    Console.print("whole passes with the choices take \(time.summary) of the defaults' time")
    var isKept = true
    if time.isGain {
      isKept = file.store(chosen, for: backend.traits)
      if isKept { Console.print("kept for this device and driver") }
    } else {
      Console.print("not kept: what held before still holds")
    }
    if backend.context.device.kind == .cpu {
      let now = backend.tuned(by: file.load(for: backend.traits))
      let time = try relativeTime(of: now, beside: CPUBackend())
      Console.print(
        "whole passes take \(time.summary) of the CPU backend's time; 'auto' goes by it")
      isKept = file.store(timeBesideCPUBackend: time) && isKept
    }
    if !isKept { Console.warn("nothing could be kept: the cache folder takes no files") }
  }

  private func relativeTime(
    of backend: some Backend, beside other: some Backend
  ) throws -> RelativeTime {
    try ModelComparison(weights, image: image, batch: batch, rounds: repeats)
      .time(of: backend, beside: other)
  }
}

/// The tuner has nothing to do.
struct TuningError: Error, CustomStringConvertible {
  let description: String
}
