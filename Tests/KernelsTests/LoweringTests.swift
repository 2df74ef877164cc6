import Kernels
import TestSupport
import XCTest

/// Every rewrite against the recording as it stands: outputs and gradients on every backend, with
/// the rule and with all rules, and what must not be rewritten.
final class LoweringTests: XCTestCase {
  /// A recording in which one rule finds something.
  private struct Example {
    let rule: String
    /// The operator that the rule makes.
    let made: String
    var purpose = Purpose.inference
    var isForGPUs = false
    /// Bands everywhere, so that every rule has its turn on every device.
    var saving = MemorySaving.bands
    let inputs: [Shape]
    let record: (Graph, [Tensor]) -> Tensor
  }

  private static let shapes = [Shape(1, 4, 1, 1), Shape(2, 6, 7, 5), Shape(1, 4, 33, 21)]

  private static var examples: [Example] {
    shapes.flatMap { sums($0) + gates($0) + blocks($0) + layouts($0) + norms($0) } + slices
  }

  /// Enough pixels for several slices; one sum, two, and more than one launch adds up.
  private static var slices: [Example] {
    [(Shape(1, 3, 41, 29), 1), (Shape(2, 4, 30, 23), 2), (Shape(3, 5, 27, 31), 10)].map {
      x, count in
      Example(
        rule: "slice-sums", made: "SliceSums", purpose: .training, isForGPUs: true,
        inputs: [x] + Array(repeating: Shape(x.c, x.c, 1, 1), count: count)
      ) { graph, inputs in
        inputs.dropFirst().reduce(inputs[0]) { graph.conv1x1($0, weight: $1) }
      }
    }
  }

  private static func norms(_ x: Shape) -> [Example] {
    [(false, false), (true, false), (false, true), (true, true)].map { normBias, bias in
      Example(
        rule: "norm-product", made: "NormProduct", isForGPUs: true,
        inputs: [x, .vector(x.c), .vector(x.c), Shape(7, x.c, 1, 1), .vector(7)]
      ) {
        let norm = $0.layerNorm($1[0], weight: $1[1], bias: normBias ? $1[2] : nil)
        return $0.conv1x1(norm, weight: $1[3], bias: bias ? $1[4] : nil)
      }
    }
  }

  private static func sums(_ x: Shape) -> [Example] {
    let weight = Shape(x.c, x.c, 1, 1)
    return [Purpose.inference, .training].flatMap { purpose in
      [
        Example(
          rule: "residual-product", made: "Conv1x1", purpose: purpose, inputs: [x, weight]
        ) { $0.add($0.conv1x1($1[0], weight: $1[1]), $1[0]) },
        Example(
          rule: "residual-product", made: "Conv1x1", purpose: purpose,
          inputs: [x, weight, .vector(x.c), x]
        ) { $0.add($1[3], $0.conv1x1($1[0], weight: $1[1], bias: $1[2])) },
      ]
    } + [
      Example(
        rule: "gradient-sum", made: "LayerNormBackwardInput", purpose: .training,
        inputs: [x, .vector(x.c), .vector(x.c)]
      ) { $0.add($0.layerNorm($1[0], weight: $1[1], bias: $1[2]), $1[0]) },
      Example(
        rule: "gradient-sum", made: "LayerNormBackwardInput", purpose: .training,
        inputs: [x, .vector(x.c)]
      ) { $0.add($0.layerNorm($1[0], weight: $1[1], bias: nil), $1[0]) },
      Example(
        rule: "gradient-sum", made: "Conv1x1", purpose: .training, inputs: [x, weight, weight]
      ) {
        $0.add($0.conv1x1($1[0], weight: $1[1]), $0.conv1x1($1[0], weight: $1[2]))
      },
    ]
  }

  private static func gates(_ x: Shape) -> [Example] {
    [Purpose.inference, .training].flatMap { purpose in
      [false, true].map { bias in
        Example(
          rule: "depthwise-gate", made: "DepthwiseGate", purpose: purpose,
          inputs: [x, Shape(x.c, 1, 3, 3)] + (bias ? [.vector(x.c)] : [])
        ) { $0.geluGate($0.depthwiseConv($1[0], weight: $1[1], bias: bias ? $1[2] : nil)) }
      }
    }
  }

  private static func blocks(_ x: Shape) -> [Example] {
    [(false, false), (true, false), (false, true), (true, true)].flatMap { normBias, bias in
      [
        (
          "attention-bands", "AttentionBlock",
          BlockHalf.attention(heads: 1, normBias: normBias, bias: bias)
        ),
        ("attention-bands", "AttentionBlock", .attention(heads: 2, normBias: normBias, bias: bias)),
        (
          "attention-bands", "AttentionBlock",
          .attention(heads: 2, normBias: normBias, bias: bias, window: (3, 8))
        ),
        ("feed-forward-bands", "FeedForwardBlock", .feedForward(normBias: normBias, bias: bias)),
      ].flatMap { rule, made, half in
        // With v kept, and computed twice.
        [MemorySaving.bands, .values].map { saving in
          Example(
            rule: rule, made: made, saving: saving, inputs: [x] + half.parameterShapes(x.c)
          ) { half.record($0, $1[0], Array($1.dropFirst())) }
        }
      }
    }
  }

  private static func layouts(_ x: Shape) -> [Example] {
    [
      Example(
        rule: "upsample-bands", made: "UpsampleConv", inputs: [x, Shape(8, x.c, 3, 3)]
      ) { $0.pixelShuffle($0.conv3x3($1[0], weight: $1[1])) }
    ]
      + [Purpose.inference, .training].map { purpose in
        Example(
          rule: "concat-views", made: "Concat", purpose: purpose, inputs: [x, x.channels(x.c + 1)]
        ) { $0.concat($0.add($1[0], $1[0]), $0.add($1[1], $1[1])) }
      }
  }

  func testEveryRuleHasAnExample() {
    XCTAssertEqual(Set(Self.examples.map(\.rule)), Set(Rewrite.all.map(\.name)))
  }

  func testLoweredGraphsGiveTheSameOnTheCPU() throws { try check(on: CPUBackend()) }

  func testLoweredGraphsGiveTheSameOnOpenCL() throws { try check(on: try Device.shared()) }

  func testLoweredGraphsGiveTheSameInTheShapeOfAGPU() throws {
    try check(on: try Device.gpuShaped())
  }

  func testLoweredGraphsGiveTheSameInSmallBands() throws { try check(on: try Device.smallBands()) }

  private func check(on backend: some Backend) throws {
    for example in Self.examples {
      let plain = try run(example, .none, on: CPUBackend())
      let lowered = try run(example, .all, on: backend)
      let without = try run(example, .without(example.rule), on: backend)
      let title = "\(example.rule) \(example.inputs) for \(example.purpose) on \(backend.name)"
      // Planes of several images cannot be parts of one tensor.
      let isFound =
        example.isForGPUs
        ? !backend.traits.isCPU : example.rule != "concat-views" || example.inputs[0].n == 1
      XCTAssertEqual(lowered.nodes.contains { $0.rules.contains(example.rule) }, isFound, title)
      if isFound { XCTAssertTrue(lowered.nodes.contains { $0.op.name == example.made }, title) }
      XCTAssertFalse(without.nodes.contains { $0.rules.contains(example.rule) }, title)
      for results in [lowered.results, without.results] {
        for (index, pair) in zip(results, plain.results).enumerated() {
          XCTAssertLessThanOrEqual(
            OpCheck.relativeError(pair.0, pair.1), 1e-5, "\(title), result \(index)")
        }
      }
    }
  }

  private func run<B: Backend>(
    _ example: Example, _ rules: RuleSelection, on backend: B
  ) throws -> (nodes: [Node], results: [[Float]]) {
    let graph = Graph()
    let inputs = example.inputs.map(graph.placeholder)
    let y = example.record(graph, inputs)
    let target = LoweringTarget(
      backend.traits, example.purpose, saving: example.saving, rules: rules)
    let seed = graph.placeholder(y.shape)
    var kept = [y]
    if example.purpose == .training {
      graph.lower(for: target, keeping: kept, [.beforeDifferentiation])
      kept += try graph.gradients(from: [GradientSeed(y, gradient: seed)], wrt: inputs)
        .map { try XCTUnwrap($0) }
      graph.lower(for: target, keeping: kept, [.afterDifferentiation])
    } else {
      graph.lower(for: target, keeping: kept)
    }
    let values = OpCase(Fill(0, .scalar), example.inputs + [y.shape]).randomInputs(seed: 7)
    return (
      graph.nodes, try evaluate(graph, Array(zip(inputs + [seed], values)), kept, on: backend)
    )
  }

  private func names(_ graph: Graph, _ kept: [Tensor], _ rules: RuleSelection = .all) -> [String] {
    graph.lower(for: LoweringTarget(.host, .inference, rules: rules), keeping: kept)
    return graph.nodes.map(\.op.name)
  }

  /// A tensor between two operators that somebody else reads, or that is kept, has to be computed.
  func testATensorUsedTwiceIsNotAbsorbed() {
    let shape = Shape(1, 4, 6, 6)
    for isKept in [false, true] {
      let graph = Graph()
      let (x, weight) = (graph.placeholder(shape), graph.placeholder(Shape(4, 1, 3, 3)))
      let convolved = graph.depthwiseConv(x, weight: weight)
      let gated = graph.geluGate(convolved)
      let kept = isKept ? [gated, convolved] : [gated, graph.add(convolved, x)]
      XCTAssertEqual(
        names(graph, kept), ["DepthwiseConv", "GELUGate"] + (isKept ? [] : ["Add"]))
    }
  }

  /// An operator that is added to itself cannot be its own addend.
  func testATensorIsNotAddedToItself() {
    let graph = Graph()
    let (x, weight) = (graph.placeholder(Shape(1, 4, 6, 6)), graph.placeholder(Shape(4, 4, 1, 1)))
    let y = graph.conv1x1(x, weight: weight)
    XCTAssertEqual(names(graph, [graph.add(y, y)]), ["Conv1x1", "Add"])
  }

  /// What the backward pass records again stays apart from what it does not.
  func testASegmentIsNotCrossed() {
    let graph = Graph()
    let (x, weight) = (graph.placeholder(Shape(1, 4, 6, 6)), graph.placeholder(Shape(4, 1, 3, 3)))
    let convolved = graph.checkpoint { graph.depthwiseConv(x, weight: weight) }
    XCTAssertEqual(names(graph, [graph.geluGate(convolved)]), ["DepthwiseConv", "GELUGate"])
  }

  /// A residual that is not the half's own input makes no half of a block.
  func testAForeignResidualMakesNoBlock() {
    let graph = Graph()
    let half = BlockHalf.feedForward(normBias: true, bias: true)
    let (x, other) = (graph.placeholder(Shape(1, 4, 6, 6)), graph.placeholder(Shape(1, 4, 6, 6)))
    let y = half.record(graph, x, half.parameterShapes(4).map(graph.placeholder))
    let last = graph.nodes[graph.nodes.count - 1]
    let foreign = graph.add(last.inputs[0], other)
    XCTAssertEqual(
      names(graph, [foreign]), ["LayerNorm", "Conv1x1", "DepthwiseGate", "Conv1x1"])
    XCTAssertFalse(graph.nodes.contains { $0.outputs.contains(y) })
  }

  /// Halves of blocks are recognised by what earlier rules made of them.
  func testRulesAreTriedInOrder() {
    let order = Rewrite.all.map(\.name)
    func place(_ name: String) -> Int { order.firstIndex(of: name) ?? -1 }
    for later in ["attention-bands", "feed-forward-bands"] {
      XCTAssertLessThan(place("residual-product"), place(later))
      XCTAssertLessThan(place("depthwise-gate"), place(later))
    }
    let graph = Graph()
    let half = BlockHalf.feedForward(normBias: false, bias: false)
    let x = graph.placeholder(Shape(1, 4, 6, 6))
    let y = half.record(graph, x, half.parameterShapes(4).map(graph.placeholder))
    XCTAssertEqual(names(graph, [y]), ["FeedForwardBlock"])
    XCTAssertEqual(
      graph.nodes[0].rules.sorted(), ["depthwise-gate", "feed-forward-bands", "residual-product"])
  }

  func testBandsAreForCPUsAndForSmallMemory() {
    for (traits, saving, name) in [
      (DeviceTraits.host, MemorySaving.none, "AttentionBlock"),
      (DeviceTraits(.gpu), .none, "Conv1x1"), (DeviceTraits(.gpu), .bands, "AttentionBlock"),
    ] {
      let graph = Graph()
      let half = BlockHalf.attention(heads: 2, normBias: false, bias: false)
      let x = graph.placeholder(Shape(1, 4, 6, 6))
      let y = half.record(graph, x, half.parameterShapes(4).map(graph.placeholder))
      graph.lower(
        for: LoweringTarget(traits, .inference, saving: saving, rules: .all), keeping: [y])
      XCTAssertEqual(graph.nodes.last?.op.name, name, "\(traits.kind) \(saving)")
    }
  }

  func testRuleNamesAreChecked() throws {
    XCTAssertEqual(try RuleSelection("none"), .none)
    XCTAssertEqual(try RuleSelection(""), .all)
    XCTAssertEqual(try RuleSelection(" -depthwise-gate"), .without("depthwise-gate"))
    for wrong in ["-bnads", "depthwise-gate", "-depthwise-gate,,x", "-"] {
      XCTAssertThrowsError(try RuleSelection(wrong)) { error in
        XCTAssertTrue("\(error)".contains("RESTORMER_RULES"), "\(error)")
        XCTAssertFalse("\(error)".contains("\n"))
      }
    }
  }
}
