import Kernels
import TestSupport
import XCTest

/// Activations stored as half: what operators make of them, which tensors may be, what it saves.
final class HalfStorageTests: XCTestCase {
  /// Every operator that can, over all of its cases, odd sizes and batches among them.
  func testOperatorsStayWithinTheirBounds() throws {
    let cases = OpCatalog.cases.filter(\.storesHalf)
    // The kernels of a CPU device build slowly: there the smallest cases have to do.
    let runs = [
      (try Device.gpuShaped(), cases), (try Device.shared(), cases.filter(\.isTiny)),
      (try Device.smallBands(), cases.filter { $0.isTiny && $0.op.name.hasSuffix("Block") }),
    ]
    for (backend, cases) in runs {
      for (index, check) in cases.enumerated() {
        let found = try OpCheck.compare(
          check, seed: UInt64(index + 1), storing: .half, on: backend)
        let title = "\(backend.traits.kind) \(check.op.name) \(check.label)"
        XCTAssertEqual(found.violations, [], title)
        XCTAssertLessThanOrEqual(found.error, found.tolerance, title)
        XCTAssertLessThanOrEqual(found.tolerance, 2e-3, title)
      }
    }
  }

  /// What networks run forward and backward can be stored as half; losses, updates of parameters
  /// and the sums between them stay float.
  func testOperatorsOfNetworksStoreHalf() {
    let able = Set(OpCatalog.cases.filter(\.storesHalf).map { $0.op.name })
    XCTAssertEqual(
      able,
      [
        "Add", "DepthwiseConv", "DepthwiseGate", "DepthwiseWindow", "FeedForwardBlock", "GELUGate",
        "PixelShuffle", "PixelUnshuffle", "UpsampleConv", "Concat", "ChannelSlice", "Conv1x1",
        "NormProduct", "Conv3x3", "LayerNorm", "ChannelAttention", "AttentionGram",
        "AttentionBlock", "LocalAttention", "LocalGram", "LocalProduct", "PixelLossBackward",
        "ChannelSum", "ChannelSliceBackward", "GELUGateBackward", "Conv1x1BackwardWeight",
        "Conv3x3BackwardWeight", "LayerNormBackwardInput", "LayerNormBackwardWeight",
        "ChannelAttentionBackward", "DepthwiseConvGradients", "DepthwiseGateGradients",
      ])
  }

  /// Sums are taken in float: neighbours in half precision have a mean and a deviation that sums of
  /// halves would lose.
  func testSumsAreNotTakenInHalf() throws {
    let shape = Shape(1, 200, 3, 5)
    let values = (0..<shape.count).map { Float($0 % 2 == 0 ? 1000 : 1000.5) }
    let (weight, bias) = ([Float](repeating: 1, count: 200), [Float](repeating: 0, count: 200))
    let check = OpCase(LayerNorm(bias: true), [shape, .vector(200), .vector(200)])
    for backend in [try Device.gpuShaped(), try Device.shared()] {
      let inputs = [values, weight, bias]
      let expected = try OpCheck.evaluate(check, inputs: inputs, on: CPUBackend())
      let found = try OpCheck.evaluate(check, inputs: inputs, storing: .half, on: backend)
      XCTAssertLessThan(OpCheck.relativeError(found.outputs[0], expected.outputs[0]), 5e-4)
    }
  }

  /// A number that half precision does not hold becomes infinite, which shows in what follows.
  func testOverflowShows() throws {
    let x = Shape(1, 8, 5, 7)
    let check = OpCase(Conv1x1(), [x, Shape(8, 8, 1, 1)])
    let inputs = [
      [Float](repeating: 300, count: x.count), [Float](repeating: 300, count: 64),
    ]
    for backend in [try Device.gpuShaped(), try Device.shared()] {
      let large = try OpCheck.evaluate(check, inputs: inputs, storing: .half, on: backend)
      XCTAssertTrue(large.outputs[0].allSatisfy { $0 == .infinity })
      // The gradient of a loss reads images, and has slopes where they are infinite.
      for follower in OpCatalog.cases
      where follower.storesHalf && follower.isTiny && !(follower.op is PixelLossBackward) {
        var values = follower.randomInputs(seed: 3)
        for index in values[0].indices { values[0][index] = .infinity }
        let found = try OpCheck.evaluate(follower, inputs: values, storing: .half, on: backend)
        XCTAssertTrue(
          found.outputs.contains { $0.contains { !$0.isFinite } },
          "\(follower.op.name) \(follower.label)")
      }
    }
  }

  private func lowered(
    _ traits: DeviceTraits, _ precision: Precision, saving: MemorySaving = .none, images: Int = 1
  ) -> (graph: Graph, output: Tensor) {
    let graph = Graph()
    let x = graph.placeholder(Shape(images, 3, 24, 40))
    let embedded = graph.conv3x3(x, weight: graph.placeholder(Shape(8, 3, 3, 3)))
    let half = BlockHalf.feedForward(normBias: true, bias: false)
    let parameters = half.parameterShapes(8).map { graph.placeholder($0) }
    let y = half.record(graph, embedded, parameters)
    let output = graph.add(
      graph.conv3x3(graph.concat(y, embedded), weight: graph.placeholder(Shape(3, 16, 3, 3))), x)
    graph.lower(
      for: LoweringTarget(traits, .inference, saving: saving, precision: precision, rules: .all),
      keeping: [output])
    return (graph, output)
  }

  /// Images, parameters and the sum that is the result stay float.
  func testWhatLiesBetweenOperatorsIsHalf() {
    for (traits, saving) in [
      (DeviceTraits(.gpu), MemorySaving.none), (DeviceTraits(.gpu), .bands),
      (DeviceTraits(.cpu), .none),
    ] {
      let (graph, output) = lowered(traits, .half, saving: saving)
      XCTAssertEqual(output.precision, .float)
      XCTAssertTrue(graph.placeholders.allSatisfy { $0.precision == .float })
      for node in graph.nodes.dropLast(2) {
        XCTAssertEqual(node.outputs[0].precision, .half, "\(node.op.name) \(traits.kind)")
      }
      // The network's residual is an image: what is added to it is float.
      XCTAssertEqual(graph.nodes.suffix(2).map { $0.outputs[0].precision }, [.float, .float])
    }
    let (onHost, _) = lowered(.host, .half)
    XCTAssertTrue(onHost.nodes.allSatisfy { $0.outputs[0].precision == .float })
    XCTAssertTrue(
      lowered(DeviceTraits(.gpu), .float).graph.nodes.allSatisfy {
        $0.outputs[0].precision == .float
      })
  }

  /// Memory and traffic count two bytes for a half.
  func testHalfTakesHalfTheMemory() throws {
    let device = try Device.gpuShaped()
    func plan(_ precision: Precision) throws -> Plan<OpenCLBackend> {
      let (graph, output) = lowered(device.traits, precision)
      return try Plan(graph, keeping: [output], on: device)
    }
    let (float, half) = (try plan(.float), try plan(.half))
    // The image and the result, a sixth of what there is, are float in both.
    XCTAssertLessThan(Double(half.memory.bytes), 0.62 * Double(float.memory.bytes))
    XCTAssertLessThan(Double(half.nodes.bytes), 0.62 * Double(float.nodes.bytes))
    XCTAssertTrue(half.nodes.contains { $0.precision == .half })
    XCTAssertEqual(half.nodes.launches, float.nodes.launches)
  }

  /// Joined tensors, bands and several images give what float storage does, but for rounding.
  func testPlansAgreeWithFloat() throws {
    for backend in [try Device.gpuShaped(), try Device.shared()] {
      for (saving, images) in [(MemorySaving.none, 1), (.bands, 2), (.values, 1)] {
        let results = try [Precision.float, .half].map { precision in
          let (graph, output) = lowered(
            backend.traits, precision, saving: saving, images: images)
          let plan = try Plan(graph, keeping: [output], on: backend)
          for (index, input) in graph.placeholders.enumerated() {
            let drawn = OpCase(Add(), [input.shape, input.shape])
            try plan.write(drawn.randomInputs(seed: UInt64(index + 1))[0], to: input)
          }
          try plan.run()
          return try plan.read(output)
        }
        XCTAssertLessThan(OpCheck.relativeError(results[1], results[0]), 2e-3)
        XCTAssertNotEqual(results[0], results[1])
      }
    }
  }
}
