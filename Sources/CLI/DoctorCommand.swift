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

  @Flag(name: .long, help: "Print the findings as JSON.")
  var json = false

  func run() throws {
    let opened = try options.open(for: .examining, kernels.configuration)
    var report = DoctorReport(device: opened.name)
    if case .openCL(let backend) = opened {
      let device = backend.context.device
      report.driver = "\(device.driverVersion), \(device.version), \(device.vendor)"
      if backend.traits.hasMatrixUnit { report.usesMatrixUnit = backend.usesMatrixUnit }
    }
    if !json { report.printHead() }
    let cases = OpCatalog.cases.filter { !tiny || $0.isTiny }
    if case .openCL(let backend) = opened {
      let plain = OpenedBackend.openCL(backend.tuned(by: TunedParameters()))
      report.checks = examine(cases, on: plain)
      report.checks += examineTuned(backend, cases)
      if !json { Console.print("stored as half:") }
      report.checks += examine(cases.filter(\.storesHalf), storing: .half, on: plain)
      if !tiny {
        report.checks += examineNetwork(on: backend)
        if let other = try? backend.multiplyingInTF32() {
          report.checks += examineProducts(backend, other)
        }
      }
    } else {
      report.checks = examine(cases, on: opened)
    }
    if json { try Console.printJSON(report) }
    guard report.failures == 0 else {
      Console.fault("\(report.failures) of the checks failed")
      throw ExitCode.failure
    }
  }

  private func examine(
    _ cases: [OpCase], storing precision: Precision = .float, on backend: OpenedBackend
  ) -> [Finding] {
    let findings = Finding.all(cases, storing: precision, on: backend.backend)
    if !json { Finding.printTable(findings) }
    return findings
  }

  /// The check on which `--precision auto` rests, with the bundled model; and its gradient.
  private func examineNetwork(on backend: some Backend) -> [Finding] {
    tell(
      Finding("network stored as half", stored: .half, limit: HalfStorage.bound) {
        try HalfStorage(BundledModel.standard().weights, on: backend).error
      },
      Finding(
        "gradients of the network's parameters stored as half", stored: .half,
        limit: HalfGradients.bound
      ) { try HalfGradients(BundledModel.standard().weights, on: backend).error })
  }

  /// What `--precision tf32` does to the bundled model and its gradient.
  private func examineProducts(_ backend: OpenCLBackend, _ other: OpenCLBackend) -> [Finding] {
    let products = Result {
      try TF32Products(BundledModel.standard().weights, on: backend, and: other)
    }
    return tell(
      Finding("network with products in TF32", stored: .float, limit: HalfStorage.bound) {
        try products.get().results
      },
      Finding(
        "gradients of the network's parameters with products in TF32", stored: .float,
        limit: HalfGradients.bound
      ) { try products.get().gradients })
  }

  private func tell(_ results: Finding, _ gradients: Finding) -> [Finding] {
    if !json {
      Console.print(results.line("from float of values in [0, 1]"))
      Console.print(gradients.line("of its norm at worst, from that of float"))
    }
    return [results, gradients]
  }

  /// Repeats the cases that run an operator with each set of numbers that a tuner chose for it on
  /// this device.
  private func examineTuned(_ backend: OpenCLBackend, _ cases: [OpCase]) -> [Finding] {
    OpCatalog.operators.flatMap { op in
      backend.tuning.settings(of: op.name).flatMap { settings in
        let tuning = "\(op.name) with \(describe(settings))"
        if !json { Console.print("tuned: \(tuning)") }
        let cases = cases.filter { OpApplication($0.op, $0.inputs).runs(op.name) }
        return examine(cases, on: .openCL(backend.forcing(settings))).map {
          $0.tuned(as: tuning)
        }
      }
    }
  }
}

/// What `doctor` found.
private struct DoctorReport: Encodable {
  var version = RestormerCommand.configuration.version
  let device: String
  var driver: String?
  /// Whether products go to the device's matrix unit; nil where it has none.
  var usesMatrixUnit: Bool?
  var failures: Int { checks.count { $0.verdict != "ok" } }
  var checks: [Finding] = []

  init(device: String) { self.device = device }

  func printHead() {
    Console.print("restormer \(version)")
    Console.print("device: \(device)")
    if let driver { Console.print("driver: \(driver)") }
    if let usesMatrixUnit {
      Console.print("matrix unit: \(usesMatrixUnit ? "multiplies" : "not used")")
    }
  }
}

/// One case on the device beside the CPU.
private struct Finding: Encodable {
  let `operator`: String
  let inputs: String
  /// The relative error; nil where there is no number for it.
  let error: Double?
  let limit: Double
  let verdict: String
  /// How the device stored activations.
  let stored: String
  var tuned: String?

  /// Compares every case with the CPU backend.
  static func all(
    _ cases: [OpCase], storing precision: Precision, on backend: some Backend
  ) -> [Finding] {
    cases.enumerated().map { Finding($1, seed: UInt64($0 + 1), storing: precision, on: backend) }
  }

  /// The difference that less precision makes to what a network computes.
  init(
    _ subject: String, stored precision: Precision, limit: Double,
    _ difference: () throws -> Double
  ) {
    (`operator`, inputs, self.limit) = (subject, "", limit)
    stored = precision.rawValue
    do {
      let found = try difference()
      error = found.isFinite ? found : nil
      verdict = found <= limit ? "ok" : "WRONG"
    } catch {
      (self.error, verdict) = (nil, "FAILED: \(error)")
    }
  }

  /// The finding about a network in one line.
  func line(_ unit: String) -> String {
    let numbers = [error ?? .infinity, limit].map { String(format: "%.1e", $0) }
    return "\(`operator`): \(numbers[0]) \(unit), limit \(numbers[1]): \(verdict)"
  }

  private init(
    _ check: OpCase, seed: UInt64, storing precision: Precision, on backend: some Backend
  ) {
    (`operator`, inputs, limit) = (
      check.op.name, check.label, check.tolerance(storing: precision)
    )
    stored = precision.rawValue
    do {
      let found = try OpCheck.compare(check, seed: seed, storing: precision, on: backend)
      error = found.error.isFinite ? found.error : nil
      verdict = found.passes ? "ok" : found.violations.first ?? "WRONG"
    } catch {
      (self.error, verdict) = (nil, "FAILED: \(error)")
    }
  }

  func tuned(as tuning: String) -> Finding {
    var copy = self
    copy.tuned = tuning
    return copy
  }

  static func printTable(_ findings: [Finding]) {
    var table = TextTable(["operator", "inputs", "error", "limit", "verdict"])
    for finding in findings {
      table.add([
        finding.operator, finding.inputs, String(format: "%.1e", finding.error ?? .infinity),
        String(format: "%.0e", finding.limit), finding.verdict,
      ])
    }
    for line in table.lines { Console.print(line) }
    let passed = findings.count { $0.verdict == "ok" }
    Console.print("\(passed) passed, \(findings.count - passed) failed")
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
