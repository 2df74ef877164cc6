import CLBackend

/// An operator that is a sequence of simpler ones on parts of tensors, for instance band after band
/// of rows.
///
/// What it computes between its inputs and outputs lies in intermediate tensors of its own, small
/// enough to stay in cache. Both backends run the same steps. Composites are for inference: the
/// composition of whole operators has the gradients.
///
/// Intermediates are stored as half where the first input and output are, and steps can.
package protocol CompositeOp: FusedOp, TerminalOp, HalfScratchOp {
  /// Shapes of the intermediate tensors.
  func intermediates(_ inputs: [Shape], _ sizes: BandSizes) -> [Shape]

  /// The steps in order.
  func phases(_ inputs: [Shape], _ sizes: BandSizes) -> [CompositePhase]
}

/// Into what a composite operator cuts images.
package struct BandSizes {
  /// Elements of the widest tensor in a band on which all cores or compute units work together.
  let elements: Int
  /// How many cores may take bands of their own, where the backend can tell them apart.
  package var lanes: Int?
  /// Elements of the widest tensor in a band of a single core.
  package var laneElements: Int

  /// Bands of `elements` elements, which no core has for its own.
  package init(elements: Int) {
    (self.elements, lanes, laneElements) = (elements, nil, elements)
  }
}

/// Steps of a composite operator that follow each other.
package enum CompositePhase {
  /// Each step is everybody's work, and done before the next one begins.
  case together([CompositeStep])
  /// Each lane is the work of one core.
  case lanes(CompositeLanes)

  fileprivate var steps: [CompositeStep] {
    switch self {
    case .together(let steps): steps
    case .lanes(let lanes): lanes.all
    }
  }
}

/// Steps of which every core has its own; cores wait for each other after a round. What a lane
/// writes no other one reads or writes, and its steps need no temporary memory.
///
/// A large picture has hundreds of thousands of steps: they are made when their turn comes.
package struct CompositeLanes {
  let count: Int
  let rounds: Int
  let steps: (_ lane: Int, _ round: Int) -> [CompositeStep]

  fileprivate var all: [CompositeStep] {
    (0..<rounds).flatMap { round in (0..<count).flatMap { steps($0, round) } }
  }
}

/// One step of a composite operator.
package struct CompositeStep {
  let op: any CatalogOp
  let inputs: [Piece]
  let outputs: [Piece]

  init(_ op: any CatalogOp, _ inputs: [Piece], into outputs: Piece...) {
    (self.op, self.inputs, self.outputs) = (op, inputs, outputs)
  }

  fileprivate var use: StorageUse<Piece.Tensor> {
    StorageUse(op: op, inputs: inputs.map(\.tensor), outputs: outputs.map(\.tensor))
  }
}

/// A part of an input, output or intermediate tensor of a composite operator; nil: all of that
/// dimension.
package struct Piece: Sendable {
  enum Tensor: Hashable, Sendable {
    case input(Int)
    case output(Int)
    case intermediate(Int)
  }

  let tensor: Tensor
  var images: Range<Int>?
  var channels: Range<Int>?
  var rows: Range<Int>?

  /// A whole tensor: one that the composite is given, one that it gives, or one between its steps.
  static func input(_ index: Int) -> Piece { Piece(tensor: .input(index)) }
  static func output(_ index: Int) -> Piece { Piece(tensor: .output(index)) }
  static func intermediate(_ index: Int) -> Piece { Piece(tensor: .intermediate(index)) }

  /// The piece with the given images only.
  func images(_ range: Range<Int>) -> Piece {
    var piece = self
    piece.images = range
    return piece
  }

  /// The piece with the given channels only.
  func channels(_ range: Range<Int>) -> Piece {
    var piece = self
    piece.channels = range
    return piece
  }

  /// The piece with the given rows only.
  func rows(_ range: Range<Int>) -> Piece {
    var piece = self
    piece.rows = range
    return piece
  }
}

/// Both backends lay the intermediates out one behind the other in temporary memory of the whole
/// operator, and behind them memory that the steps take turns to use: a step's own temporary memory
/// is free again when it has run.
extension CompositeOp {
  package var activations: Activations { Activations(alike: true) }

  /// Intermediate tensors are rounded too, and errors of some of them add up.
  package var halfTolerance: Double { 2e-3 }

  public func cpuScratch(_ inputs: [Shape]) -> [Int] { cpuScratch(inputs, CPUBackend.bandSizes) }

  /// Sizes of the temporary memory for other bands than the backend's.
  package func cpuScratch(_ inputs: [Shape], _ sizes: BandSizes) -> [Int] {
    CompositePlan(self, inputs, sizes).scratch { $0.cpuScratch($1) }
  }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    CompositePlan(self, inputs, configuration.bandSizes).scratch {
      $0.openCLScratch($1, configuration)
    }
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    for step in cpuSteps(inputs, into: outputs, scratch: scratch) { step() }
  }

  /// The steps one by one, or round by round where each core has its own, so that what runs them
  /// can be asked to stop in between.
  package func cpuSteps(
    _ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor],
    _ sizes: BandSizes = CPUBackend.bandSizes
  ) -> [CPUBackend.Step] {
    let plan = CompositePlan(self, inputs.map(\.shape), sizes)
    let views = CompositeViews(inputs, outputs, scratch, plan)
    func bind(_ step: CompositeStep) -> CPUBackend.Step {
      let (op, stepInputs) = (step.op, step.inputs.map(views.view))
      let stepOutputs = step.outputs.map(views.view)
      let stepScratch = views.scratch(op.cpuScratch(stepInputs.map(\.shape)))
      return { op.evaluate(stepInputs, into: stepOutputs, scratch: stepScratch) }
    }
    return plan.phases.flatMap { phase in
      switch phase {
      case .together(let steps): steps.map(bind)
      case .lanes(let lanes):
        (0..<lanes.rounds).map { round in
          { inLanes(lanes.count) { lane in for step in lanes.steps(lane, round) { bind(step)() } } }
        }
      }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let plan = CompositePlan(self, inputs.map(\.shape), backend.configuration.bandSizes)
    let views = CompositeViews(inputs, outputs, scratch, plan)
    return try plan.steps.flatMap { step in
      let stepInputs = step.inputs.map(views.view)
      return try backend.bind(
        step.op, stepInputs, into: step.outputs.map(views.view),
        scratch: views.scratch(backend.scratch(step.op, stepInputs.map(\.shape))))
    }
  }

  /// The operators that the steps apply, and the shapes they apply them to.
  func applications(_ inputs: [Shape], _ sizes: BandSizes) -> [OpApplication] {
    CompositePlan(self, inputs, sizes).applications
  }
}

/// The intermediates and steps of one composite at given shapes.
///
/// Steps depend on shapes alone, so that what is planned before memory is laid out is what is bound
/// afterwards.
private struct CompositePlan {
  let intermediates: [Shape]
  /// How each of them lies in memory.
  let precisions: [Precision]
  let phases: [CompositePhase]
  var steps: [CompositeStep] { phases.flatMap(\.steps) }
  private let inputs: [Shape]
  private let outputs: [Shape]

  init(_ op: any CompositeOp, _ inputs: [Shape], _ sizes: BandSizes) {
    intermediates = op.intermediates(inputs, sizes)
    phases = op.phases(inputs, sizes)
    (self.inputs, outputs) = (inputs, op.outputShapes(inputs))
    let outside: Set<Piece.Tensor> = op.storesHalf ? [.input(0), .output(0)] : []
    let half =
      op.storesHalf
      ? storableAsHalf(phases.flatMap(\.steps).map(\.use), given: outside) : []
    precondition(half.isSuperset(of: outside), "\(op.name): no half storage")
    precisions = intermediates.indices.map { half.contains(.intermediate($0)) ? .half : .float }
  }

  /// Words of the intermediates, then of the memory that the steps take turns to use.
  func scratch(_ need: (any CatalogOp, [Shape]) -> [Int]) -> [Int] {
    let shared = phases.flatMap { phase -> [Int] in
      guard case .together(let steps) = phase else { return [] }
      return steps.map { step in
        need(step.op, step.inputs.map(shape)).reduce(0) { $0 + roundUp($1, 64) }
      }
    }
    let own = zip(intermediates, precisions).map { $1.words(extent($0)) }
    return own + [max(1, shared.max() ?? 1)]
  }

  var applications: [OpApplication] {
    steps.map { OpApplication($0.op, $0.inputs.map(shape)) }
  }

  /// The shape of a piece, which no step sees more of.
  private func shape(_ piece: Piece) -> Shape {
    let whole =
      switch piece.tensor {
      case .input(let index): inputs[index]
      case .output(let index): outputs[index]
      case .intermediate(let index): intermediates[index]
      }
    return Shape(
      piece.images?.count ?? whole.n, piece.channels?.count ?? whole.c,
      piece.rows?.count ?? whole.h, whole.w)
  }
}

/// Elements of a tensor of `shape` with the padding of its planes.
private func extent(_ shape: Shape) -> Int { shape.n * shape.c * paddedPlaneStride(shape) }

/// Where the pieces of a composite lie.
private struct CompositeViews<Storage> {
  private let inputs: [TensorView<Storage>]
  private let outputs: [TensorView<Storage>]
  private let intermediates: [TensorView<Storage>]
  private let shared: TensorView<Storage>

  init(
    _ inputs: [TensorView<Storage>], _ outputs: [TensorView<Storage>],
    _ scratch: [TensorView<Storage>], _ plan: CompositePlan
  ) {
    (self.inputs, self.outputs) = (inputs, outputs)
    intermediates = zip(zip(plan.intermediates, plan.precisions), scratch).map { own, memory in
      let (shape, precision) = own
      return TensorView(
        memory.storage, offset: 4 * memory.offset / precision.bytes, shape: shape,
        planeStride: paddedPlaneStride(shape), precision: precision)
    }
    shared = scratch[plan.intermediates.count]
  }

  func view(_ piece: Piece) -> TensorView<Storage> {
    let whole =
      switch piece.tensor {
      case .input(let index): inputs[index]
      case .output(let index): outputs[index]
      case .intermediate(let index): intermediates[index]
      }
    return whole.part(
      images: piece.images ?? 0..<whole.shape.n, channels: piece.channels ?? 0..<whole.shape.c,
      rows: piece.rows ?? 0..<whole.shape.h)
  }

  /// The scratch of one step, within the memory that all steps share.
  func scratch(_ counts: [Int]) -> [TensorView<Storage>] {
    var offset = shared.offset
    return counts.map { count in
      defer { offset += roundUp(count, 64) }
      return TensorView(shared.storage, offset: offset, shape: Shape(1, 1, 1, count))
    }
  }
}
