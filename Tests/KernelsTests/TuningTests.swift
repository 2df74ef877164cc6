import CLBackend
import Foundation
import Kernels
import TestSupport
import XCTest

/// What the tuner may choose changes time only, and survives on disk whatever happens to the file.
final class TuningTests: XCTestCase {
  func testChoicesLeaveEveryBit() throws {
    for device in [try Device.shared(), try Device.gpuShaped()] {
      for op in OpCatalog.operators where op.tuning != .none && op.tuning != .bands {
        let all = op.tuning.candidates(for: device.traits)
        // Each set of numbers is a program to compile.
        let isSlow = ProcessInfo.processInfo.environment["RESTORMER_SLOW_TESTS"] == "1"
        for settings in isSlow
          ? all : all.enumerated().filter({ $0.offset % 9 == 4 }).map(\.element)
        {
          try assertSameBits(op, settings, on: device)
        }
      }
    }
  }

  private func assertSameBits(
    _ op: any CatalogOp.Type, _ settings: TunedSettings, on device: OpenCLBackend
  ) throws {
    for (index, check) in op.cases.enumerated() {
      let inputs = check.randomInputs(seed: UInt64(index))
      let expected = try OpCheck.evaluate(check, inputs: inputs, on: device.forcing([:]))
      let found = try OpCheck.evaluate(check, inputs: inputs, on: device.forcing(settings))
      let title = "\(op.name) \(check.label) with \(describe(settings))"
      XCTAssertEqual(found.violations, [], title)
      XCTAssertEqual(
        found.outputs.map { $0.map(\.bitPattern) }, expected.outputs.map { $0.map(\.bitPattern) },
        title)
    }
  }

  /// The height of bands may move sums within rounding.
  func testBandsAgree() throws {
    for device in [try Device.shared(), try Device.gpuShaped()] {
      let lowBands = device.forcing([.bandElements: 2048])
      for op in OpCatalog.operators where op.tuning == .bands {
        for (index, check) in op.cases.enumerated() {
          let inputs = check.randomInputs(seed: UInt64(index))
          let expected = try OpCheck.evaluate(check, inputs: inputs, on: device.forcing([:]))
          let found = try OpCheck.evaluate(check, inputs: inputs, on: lowBands)
          let title = "\(op.name) \(check.label)"
          XCTAssertEqual(found.violations, [], title)
          for (a, b) in zip(found.outputs, expected.outputs) {
            XCTAssertLessThan(OpCheck.relativeError(a, b), 2e-6, title)
          }
        }
      }
    }
  }

  /// The memory that is laid out before steps are bound does not depend on choices for the steps.
  func testChoicesForStepsLeaveScratch() throws {
    for device in [try Device.shared(), try Device.gpuShaped()] {
      for op in OpCatalog.operators where op.tuning != .none && op.tuning != .bands {
        for settings in op.tuning.candidates(for: device.traits) {
          let tuned = device.forcing(settings)
          for check in op.cases {
            XCTAssertEqual(
              tuned.scratch(check.op, check.inputs), device.scratch(check.op, check.inputs),
              "\(op.name) \(check.label)")
          }
        }
      }
    }
  }

  func testChoicesReachTheStepsOfComposites() throws {
    let device = try Device.shared()
    let (op, inputs) = (UpsampleConv(), [Shape(1, 8, 64, 64), Shape(16, 8, 3, 3)])
    var chosen = TunedParameters()
    chosen.choose(
      [.vectorWidth: 8, .blockRows: 4, .blockVectors: 1], for: TuningKey(Conv3x3(), inputs))
    XCTAssertEqual(try bind(op, inputs, on: device.tuned(by: chosen))[0].global[0], 64 * 64 / 8)
    XCTAssertLessThan(try bind(op, inputs, on: device.forcing([:]))[0].global[0], 64 * 64 / 8)
    let block = try XCTUnwrap(FeedForwardBlock.cases.last)
    chosen.choose([.bandElements: 2048], for: TuningKey(block.op, block.inputs))
    XCTAssertGreaterThan(
      try bind(block.op, block.inputs, on: device.tuned(by: chosen)).count,
      try bind(block.op, block.inputs, on: device.forcing([:])).count)
  }

  func testTunerDescendsIntoComposites() throws {
    let device = try Device.shared()
    let graph = Graph()
    let placeholders = [Shape(1, 8, 64, 64), Shape(16, 8, 3, 3)].map(graph.placeholder)
    let y = graph.apply(UpsampleConv(), placeholders)[0]
    let tunable = OpApplication.tunable(in: graph.nodes(yielding: [y]), on: device)
    XCTAssertEqual(tunable.map(\.op.name), ["Conv3x3", "UpsampleConv"])
    XCTAssertTrue(tunable[1].runs("Conv3x3"))
    XCTAssertFalse(tunable[1].runs("Conv1x1"))
  }

  func testChoicesReachTheLaunches() throws {
    let device = try Device.shared()
    let (op, inputs) = (Conv1x1(), [Shape(1, 8, 64, 64), Shape(8, 8, 1, 1)])
    var chosen = TunedParameters()
    chosen.choose([.vectorWidth: 8, .blockRows: 4, .blockVectors: 1], for: TuningKey(op, inputs))
    XCTAssertEqual(try columns(op, inputs, on: device.tuned(by: chosen)), 64 * 64 / 8)
    // Fourfold pixels of the same channels take the same numbers, other channels do not.
    let larger = [Shape(1, 8, 128, 128), inputs[1]]
    XCTAssertEqual(try columns(op, larger, on: device.tuned(by: chosen)), 128 * 128 / 8)
    let other = [Shape(1, 9, 64, 64), Shape(8, 9, 1, 1)]
    XCTAssertEqual(
      try columns(op, other, on: device.tuned(by: chosen)),
      try columns(op, other, on: device.forcing([:])))
  }

  /// Work-items along the pixels.
  private func columns(_ op: Conv1x1, _ inputs: [Shape], on device: OpenCLBackend) throws -> Int {
    try bind(op, inputs, on: device)[0].global[0]
  }

  private func bind(
    _ op: any Op, _ inputs: [Shape], on device: OpenCLBackend
  ) throws -> [OpenCLBackend.Step] {
    func view(_ shape: Shape) throws -> DeviceTensor {
      let stride = paddedPlaneStride(shape)
      return TensorView(
        try device.makeStorage(count: shape.n * shape.c * stride), offset: 0, shape: shape,
        planeStride: stride)
    }
    return try device.bind(
      op, inputs.map(view), into: op.outputShapes(inputs).map(view),
      scratch: device.scratch(op, inputs).map { try view(Shape(1, 1, 1, $0)) })
  }

  func testTextRoundTripAndStrangeLines() {
    let text = [
      "Conv1x1 48x144 16: blockRows=8 blockVectors=3 vectorWidth=16", "Conv3x3 3x48 16: ",
    ].joined(separator: "\n")
    XCTAssertEqual(TunedParameters(text: text, for: .host).text, text)
    let strange = [
      "Conv1x1 48x144 16: blockRows=7 blockVectors=3 vectorWidth=16",
      "Conv1x1 48x144 16: blockRows=8", "Conv9x9 48x144 16: blockRows=8", "Add 3x3x3 4: a=1",
      "Conv1x1 x 16: ", "Conv1x1 48xz 16: ", "Conv1x1", ":", "Conv1x1 4x4 4: blockRows",
      "Conv1x1 4x4 4: tileItemRows=6 tileItemColumns=4 tileRowItems=8 tileColumnItems=32",
    ]
    for line in strange {
      XCTAssertTrue(TunedParameters(text: line, for: .host).isEmpty, line)
    }
  }

  func testFileKeepsMergesAndSurvivesDamage() throws {
    let device = try Device.shared().context.device
    let folder = NSTemporaryDirectory() + "tuning-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let file = TuningFile(device, directory: folder)
    XCTAssertTrue(file.load(for: .host).isEmpty)
    let first = TunedParameters(text: "Conv1x1 48x144 16: ", for: .host)
    let second = TunedParameters(
      text: "Conv3x3 3x48 16: blockRows=8 blockVectors=3 vectorWidth=16", for: .host)
    XCTAssertTrue(file.store(first, for: .host))
    XCTAssertTrue(file.store(second, for: .host))
    XCTAssertEqual(file.load(for: .host).text, first.text + "\n" + second.text)

    let entries = try FileManager.default.contentsOfDirectory(atPath: folder)
    XCTAssertEqual(entries.count, 1, "no temporary file is left: \(entries)")
    let path = "\(folder)/\(entries[0])"
    var bytes = try XCTUnwrap(FileManager.default.contents(atPath: path))
    bytes[bytes.count - 3] ^= 1
    try bytes.write(to: URL(fileURLWithPath: path))
    XCTAssertTrue(file.load(for: .host).isEmpty, "a damaged entry counts as none")
  }

  /// Only what is faster in all and slower in neither pass is kept.
  func testWhatIsWorthAChange() {
    for (restoring, training, isGain) in [
      (0.9, 0.9, true), (0.9, 1.01, true), (0.5, 1.05, false), (1.05, 0.5, false), (1, 1, false),
      (0.995, 0.995, false),
    ] {
      let time = RelativeTime(restoring: restoring, training: training)
      XCTAssertEqual(time.isGain, isGain, time.summary)
    }
  }

  func testTimeBesideTheCPUBackendIsKeptApart() throws {
    let device = try Device.shared().context.device
    let folder = NSTemporaryDirectory() + "tuning-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let file = TuningFile(device, directory: folder)
    XCTAssertNil(file.loadTimeBesideCPUBackend())
    let time = RelativeTime(restoring: 0.93, training: 1.1)
    XCTAssertTrue(file.store(timeBesideCPUBackend: time))
    let chosen = TunedParameters(text: "Conv1x1 48x144 16: ", for: .host)
    XCTAssertTrue(file.store(chosen, for: .host))
    XCTAssertEqual(file.loadTimeBesideCPUBackend(), time)
    XCTAssertEqual(file.load(for: .host).choices, chosen.choices)
    for strange in [0, -1, Double.nan, .infinity] {
      let wrong = RelativeTime(restoring: strange, training: 1)
      XCTAssertFalse(file.store(timeBesideCPUBackend: wrong), "\(strange)")
      XCTAssertNil(file.loadTimeBesideCPUBackend(), "\(strange)")
    }
  }

  func testFolderThatTakesNoFiles() throws {
    let device = try Device.shared().context.device
    let file = TuningFile(device, directory: "/dev/null/none")
    let chosen = TunedParameters(text: "Conv1x1 48x144 16: ", for: .host)
    XCTAssertFalse(file.store(chosen, for: .host))
    XCTAssertTrue(file.load(for: .host).isEmpty)
  }

  func testCeilings() throws {
    for ceilings in [
      try Device.shared().measureCeilings(), try Device.gpuShaped().measureCeilings(),
      try CPUBackend().measureCeilings(),
    ] {
      XCTAssertGreaterThan(ceilings.flops, 0)
      XCTAssertGreaterThan(ceilings.bytes, 0)
      XCTAssertGreaterThan(ceilings.launch, 0)
      XCTAssertGreaterThan(ceilings.launchAndFinish, 0)
      let share = ceilings.share(
        multiplyAdds: Int(ceilings.flops), bytes: 0, seconds: 4)
      XCTAssertEqual(share, 0.5, accuracy: 1e-6)
    }
  }
}
