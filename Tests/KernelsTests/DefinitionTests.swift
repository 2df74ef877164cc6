import Kernels
import TestSupport
import XCTest

/// What operators compute is what their definitions say, on every backend.
final class DefinitionTests: XCTestCase {
  func testTheCatalogueAgreesWithItsDefinitions() throws {
    var met: Set<String> = []
    let best = InstructionSet.current
    defer { best.use() }
    for (index, check) in OpCatalog.cases.enumerated() where Self.isQuick(check) {
      let values = check.randomInputs(seed: UInt64(index))
      let exact = check.op.definition(
        zip(check.inputs, values).map { ExactTensor($0, $1.map(Double.init)) })
      // Partial sums have no definition of their own.
      guard exact.map(\.shape) == check.op.outputShapes(check.inputs) else { continue }
      met.insert(check.op.name)
      for set in InstructionSet.available {
        set.use()
        try compare(check, values, with: exact, on: CPUBackend(), "CPU with \(set)")
      }
      if let device = try? Device.shared() {
        try compare(check, values, with: exact, on: device, "OpenCL")
        try compare(check, values, with: exact, on: Device.gpuShaped(), "GPU shape")
      }
    }
    for op in OpCatalog.operators {
      XCTAssertTrue(met.contains(op.name), "\(op.name) was not compared with its definition")
    }
  }

  private static func isQuick(_ check: OpCase) -> Bool {
    let elements = check.inputs.reduce(0) { $0 + $1.count }
    return elements < 20_000 && check.op.multiplyAdds(check.inputs) < 1_000_000
  }

  private func compare(
    _ check: OpCase, _ values: [[Float]], with exact: [ExactTensor], on backend: some Backend,
    _ name: String
  ) throws {
    let found = try OpCheck.evaluate(check, inputs: values, on: backend).outputs
    for (output, pair) in zip(found, exact).enumerated() {
      XCTAssertLessThanOrEqual(
        OpCheck.relativeError(pair.0, pair.1.values.map { Float($0) }), check.tolerance,
        "\(check.op.name) \(check.label), output \(output), \(name)")
    }
  }
}
