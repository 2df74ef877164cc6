import Kernels
import TestSupport
import XCTest

/// Every case of every operator: the two backends agree, and neither writes where it may not.
final class OpCatalogTests: XCTestCase {
  func testOpenCLAgreesWithCPU() throws { try assertAgreement(on: Device.shared()) }

  func testGPUShapedKernelsAgreeWithCPU() throws { try assertAgreement(on: Device.gpuShaped()) }

  func testRunsRepeatBitForBit() throws {
    let device = try Device.shared()
    let cpu = CPUBackend()
    for check in OpCatalog.cases {
      let inputs = check.randomInputs(seed: 7)
      XCTAssertEqual(
        try bits(check, inputs, on: cpu), try bits(check, inputs, on: cpu), "CPU: \(title(check))")
      XCTAssertEqual(
        try bits(check, inputs, on: device), try bits(check, inputs, on: device),
        "OpenCL: \(title(check))")
    }
  }

  func testEverySectionHasAnOperator() {
    let used = Set(OpCatalog.operators.map { $0.section })
    let sections = KernelSource.names.filter { $0 != "Common" && $0 != "Ceilings" }
    XCTAssertEqual(Set(sections).count, sections.count, "a section of kernels.cl appears twice")
    for section in sections where !used.contains(section) {
      XCTFail("section \(section) of kernels.cl has no operator in OpCatalog")
    }
  }

  func testEveryOperatorHasSectionAndCases() {
    var names: Set<String> = []
    for op in OpCatalog.operators {
      XCTAssertTrue(names.insert(op.name).inserted, "\(op.name) appears twice in OpCatalog")
      XCTAssertNotNil(
        KernelSource.sections[op.section], "\(op.name): kernels.cl has no section \(op.section)")
      XCTAssertTrue(op.cases.contains { $0.isTiny }, "\(op.name) has no tiny case")
    }
  }

  private func assertAgreement(on device: OpenCLBackend) throws {
    let cpu = CPUBackend()
    for (index, check) in OpCatalog.cases.enumerated() {
      let inputs = check.randomInputs(seed: UInt64(index))
      let expected = try OpCheck.evaluate(check, inputs: inputs, on: cpu)
      let actual = try OpCheck.evaluate(check, inputs: inputs, on: device)
      XCTAssertEqual(expected.violations, [], "CPU: \(title(check))")
      XCTAssertEqual(actual.violations, [], "OpenCL: \(title(check))")
      for (output, pair) in zip(actual.outputs, expected.outputs).enumerated() {
        let error = OpCheck.relativeError(pair.0, pair.1)
        XCTAssertLessThanOrEqual(error, check.tolerance, "\(title(check)), output \(output)")
      }
    }
  }

  private func bits<B: Backend>(
    _ check: OpCase, _ inputs: [[Float]], on backend: B
  ) throws -> [[UInt32]] {
    try OpCheck.evaluate(check, inputs: inputs, on: backend).outputs.map { $0.map(\.bitPattern) }
  }

  private func title(_ check: OpCase) -> String { "\(check.op.name) \(check.label)" }
}
