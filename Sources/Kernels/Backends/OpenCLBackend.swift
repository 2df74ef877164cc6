import CLBackend

/// A tensor in a device's memory.
public typealias DeviceTensor = TensorView<Buffer>

/// Executes operators through the kernels of `kernels.cl` on one OpenCL device.
///
/// Operators bind their launches once, with every argument set; running a plan only enqueues them,
/// in order, on one queue. Kernels are built when a launch first asks for them and remembered by
/// section, name and numbers, in memory for this device and on disk for the next run.
public final class OpenCLBackend: Backend {
  /// One bound kernel launch.
  public typealias Step = Launch

  /// The device's context and queue.
  public let context: OpenCLContext
  /// The tunables in force where nothing was chosen for an operator.
  public let configuration: KernelConfiguration
  /// What a tuner chose for operators on this device.
  package let tuning: TunedParameters
  public let memory: MemoryBudget
  let kernels: KernelTable
  /// Seconds that no launch takes on a weak GPU; nil where nobody watches.
  let longestLaunch: Double?

  /// Opens `device`.
  /// - Parameters:
  ///   - device: the device.
  ///   - configuration: tunables; if nil the defaults of the device's kind, and what a tuner chose
  ///     for the device.
  ///   - profiling: collect the time of every launch in `context.profiler`.
  /// - Throws: `OpenCLError` when the device cannot be opened.
  public init(
    _ device: OpenCLDevice, configuration: KernelConfiguration? = nil, profiling: Bool = false
  ) throws {
    context = try OpenCLContext(device, profiling: profiling)
    kernels = KernelTable()
    if var configuration {
      configuration.traits = DeviceTraits(device, shapedAs: configuration.traits.kind)
      (self.configuration, tuning) = (configuration, TunedParameters())
    } else {
      self.configuration = KernelConfiguration(for: DeviceTraits(device))
      tuning = TuningFile(device).load(for: self.configuration.traits)
    }
    memory = MemoryBudget(device, self.configuration.traits)
    longestLaunch = self.configuration.traits.isCPU ? nil : WeakGPU.longestLaunch
  }

  private init(
    _ other: OpenCLBackend, _ configuration: KernelConfiguration, _ tuning: TunedParameters,
    longestLaunch: Double? = nil
  ) {
    (context, kernels, memory) = (other.context, other.kernels, other.memory)
    (self.configuration, self.tuning) = (configuration, tuning)
    self.longestLaunch = longestLaunch ?? other.longestLaunch
  }

  /// The same device with launches that take at most `seconds` on a weak GPU.
  package func cutting(launchesAbove seconds: Double) -> OpenCLBackend {
    OpenCLBackend(self, configuration, tuning, longestLaunch: seconds)
  }

  /// The same device with products by `unit`, for which floats are split in `factors`.
  package func multiplying(by unit: MatrixUnit, factors: Int = 2) -> OpenCLBackend {
    var configuration = configuration
    (configuration.matrixUnit, configuration.matrixFactors) = (unit, factors)
    return OpenCLBackend(self, configuration, tuning)
  }

  /// The same device with other choices.
  package func tuned(by tuning: TunedParameters) -> OpenCLBackend {
    OpenCLBackend(self, configuration, tuning)
  }

  /// The same device with `settings` for every operator, whatever was chosen.
  package func forcing(_ settings: TunedSettings) -> OpenCLBackend {
    var tuning = TunedParameters()
    tuning.forced = settings
    return tuned(by: tuning)
  }

  /// The device as `op` on `inputs` is to see it: with what was chosen for them.
  private func fitted(to op: any OpenCLOp, _ inputs: [Shape]) -> OpenCLBackend {
    guard !tuning.isEmpty, (op as? any CatalogOp)?.isTunable ?? false else { return self }
    let settings = tuning.settings(for: TuningKey(op, inputs))
    return settings.isEmpty ? self : OpenCLBackend(self, configuration.with(settings), tuning)
  }

  public var name: String { context.device.name }
  public var traits: DeviceTraits { configuration.traits }
  public var bytesInUse: Int { context.meter.bytes }

  public func makeStorage(count: Int) throws -> Buffer {
    try context.makeBuffer(bytes: MemoryNeed.bytes(of: count))
  }

  public func scratch(_ op: any Op, _ inputs: [Shape]) -> [Int] {
    guard let op = op as? any OpenCLOp else { return [] }
    return op.openCLScratch(inputs, fitted(to: op, inputs).configuration)
  }

  public func bind(
    _ op: any Op, _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor]
  ) throws -> [Launch] {
    guard let op = op as? any OpenCLOp else {
      preconditionFailure("\(op.name): no OpenCL form")
    }
    let launches = try op.launches(
      inputs, into: outputs, scratch: scratch, on: fitted(to: op, inputs.map(\.shape)))
    return longestLaunch.map { limit in launches.flatMap { $0.pieces(atMost: limit) } } ?? launches
  }

  public func reckonedSeconds(of step: Launch) -> Double? {
    longestLaunch.map { _ in step.secondsOnWeakGPU }
  }

  public func run(_ steps: [Launch]) throws {
    for step in steps { try context.enqueue(step) }
    try context.flush()
  }

  public func mark() throws -> QueueMark { try context.mark() }

  public func wait(for mark: QueueMark) throws { try mark.wait() }

  public func synchronize() throws { try context.finish() }

  public func write(_ values: UnsafeBufferPointer<Float>, to view: DeviceTensor) throws {
    guard view.precision == .float else {
      let halves = values.map { Float16($0) }
      return try halves.withUnsafeBytes { try writeRows($0.baseAddress, to: view) }
    }
    try writeRows(values.baseAddress, to: view)
  }

  /// Writes elements as they are stored. Planes may lie apart: a row of the copy is one plane.
  private func writeRows(_ source: UnsafeRawPointer?, to view: DeviceTensor) throws {
    guard let source else { return }
    let bytes = view.precision.bytes
    try context.writeRows(
      source, to: view.storage, offset: bytes * view.offset, rowBytes: bytes * view.shape.plane,
      rows: view.shape.n * view.shape.c, pitch: bytes * view.planeStride)
  }

  public func read(_ view: DeviceTensor, into values: UnsafeMutableBufferPointer<Float>) throws {
    guard view.precision == .float else {
      var halves = [Float16](repeating: 0, count: view.shape.count)
      try halves.withUnsafeMutableBytes { try readRows($0.baseAddress, from: view) }
      for (index, value) in halves.enumerated() { values[index] = Float(value) }
      return
    }
    try readRows(values.baseAddress, from: view)
  }

  /// Reads elements as they are stored.
  private func readRows(_ target: UnsafeMutableRawPointer?, from view: DeviceTensor) throws {
    guard let target else { return }
    let bytes = view.precision.bytes
    try context.readRows(
      target, from: view.storage, offset: bytes * view.offset, rowBytes: bytes * view.shape.plane,
      rows: view.shape.n * view.shape.c, pitch: bytes * view.planeStride)
  }

  public func startReading(
    _ view: DeviceTensor, into values: UnsafeMutableBufferPointer<Float>
  ) throws -> QueueMark {
    precondition(view.precision == .float, "startReading: a tensor of halves")
    try context.startReading(
      UnsafeMutableRawBufferPointer(values), from: view.storage, offset: 4 * view.offset)
    return try context.mark()
  }

  public func fill(_ view: DeviceTensor, with value: Float) throws {
    guard view.precision == .float else {
      let whole = TensorView(
        view.storage, offset: view.offset, shape: Shape(1, 1, 1, view.extent), precision: .half)
      return try write([Float](repeating: value, count: view.extent), to: whole)
    }
    try context.fill(view.storage, offset: 4 * view.offset, bytes: 4 * view.extent, with: value)
  }
}
