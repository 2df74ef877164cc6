import ArgumentParser
import CLBackend
import Foundation
import Kernels
import Restormer

/// `restormer doctor`: every operator on the chosen device against its CPU twin.
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Checks every operator on a device against the CPU; the table fits a bug report.",
    discussion: "Example: restormer doctor --tiny")

  @OptionGroup var options: DeviceOptions

  @Flag(name: .long, help: "Only the smallest cases, for simulators.")
  var tiny = false

  @Option(name: .long, help: "Which kernels: auto (those for the device's kind), cpu or gpu.")
  var kernels = KernelFamily.auto

  func run() throws {
    let opened = try options.open(kernels.configuration)
    Console.print("restormer \(RestormerCommand.configuration.version)")
    Console.print("device: \(opened.name)")
    if case .openCL(let backend) = opened {
      let device = backend.context.device
      Console.print("driver: \(device.driverVersion), \(device.version), \(device.vendor)")
    }
    let cases = OpCatalog.cases.filter { !tiny || $0.isTiny }
    var failures = 0
    if case .openCL(let backend) = opened {
      failures = try Examination(cases: cases).visit(backend.tuned(by: TunedParameters()))
      failures += try examineTuned(backend, cases)
    } else {
      failures = try opened.accept(Examination(cases: cases))
    }
    guard failures == 0 else {
      Console.fault("\(failures) of the checks failed")
      throw ExitCode.failure
    }
  }

  /// Repeats the cases that run an operator with each set of numbers that a tuner chose for it on this device.
  private func examineTuned(_ backend: OpenCLBackend, _ cases: [OpCase]) throws -> Int {
    try OpCatalog.operators.reduce(0) { failures, op in
      try backend.tuning.settings(of: op.name).reduce(failures) { failures, settings in
        Console.print("tuned: \(op.name) with \(describe(settings))")
        let examination = Examination(
          cases: cases.filter { OpApplication($0.op, $0.inputs).runs(op.name) })
        return failures + (try examination.visit(backend.forcing(settings)))
      }
    }
  }
}

/// The two shapes that kernels come in.
enum KernelFamily: String, CaseIterable, ExpressibleByArgument {
  case auto
  case cpu
  case gpu

  /// The tunables, nil for those of the device's own kind.
  var configuration: KernelConfiguration? {
    switch self {
    case .auto: nil
    case .cpu: KernelConfiguration(for: .cpu)
    case .gpu: KernelConfiguration(for: .gpu)
    }
  }
}

/// Compares every case with the CPU backend and prints a table; the result is the number of failures.
private struct Examination: BackendVisitor {
  let cases: [OpCase]

  func visit<B: Backend>(_ backend: B) throws -> Int {
    var table = TextTable(["operator", "inputs", "error", "limit", "verdict"])
    var failures = 0
    for (index, check) in cases.enumerated() {
      let finding = examine(check, seed: UInt64(index + 1), on: backend)
      if finding.verdict != "ok" { failures += 1 }
      table.add([
        check.op.name, check.label, String(format: "%.1e", finding.error),
        String(format: "%.0e", check.tolerance), finding.verdict,
      ])
    }
    for line in table.lines { Console.print(line) }
    Console.print("\(cases.count - failures) passed, \(failures) failed")
    return failures
  }

  private func examine<B: Backend>(
    _ check: OpCase, seed: UInt64, on backend: B
  ) -> (error: Double, verdict: String) {
    do {
      let inputs = check.randomInputs(seed: seed)
      let expected = try OpCheck.evaluate(check, inputs: inputs, on: CPUBackend())
      let found = try OpCheck.evaluate(check, inputs: inputs, on: backend)
      let error = zip(found.outputs, expected.outputs).map(OpCheck.relativeError).max() ?? 0
      if let violation = (expected.violations + found.violations).first {
        return (error, violation)
      }
      return (error, error <= check.tolerance ? "ok" : "WRONG")
    } catch {
      return (.infinity, "FAILED: \(error)")
    }
  }
}
