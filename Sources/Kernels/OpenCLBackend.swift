import CLBackend

/// A tensor in a device's memory.
public typealias DeviceTensor = TensorView<Buffer>

/// Executes operators through the kernels of `kernels.cl` on one OpenCL device.
public final class OpenCLBackend: Backend {
  /// One bound kernel launch.
  public typealias Step = Launch

  /// The device's context and queue.
  public let context: OpenCLContext
  /// The tunables in force.
  public let configuration: KernelConfiguration
  public let memoryLimits: MemoryLimits

  /// Opens `device`.
  /// - Parameters:
  ///   - device: the device.
  ///   - configuration: tunables; the defaults of the device's kind if nil.
  ///   - profiling: collect the time of every launch in `context.profiler`.
  /// - Throws: `OpenCLError` when the device cannot be opened.
  public init(
    _ device: OpenCLDevice, configuration: KernelConfiguration? = nil, profiling: Bool = false
  ) throws {
    context = try OpenCLContext(device, profiling: profiling)
    self.configuration =
      configuration
      ?? KernelConfiguration(for: device.kind, nativeWidth: device.nativeFloatWidth)
    // A device that shares the machine's memory reports all of it, used or not.
    let isHost = device.kind == .cpu
    let total = isHost ? min(device.globalMemory, HostMemory.available) : device.globalMemory
    memoryLimits = MemoryLimits(allocation: device.maxAllocation, total: total, isHost: isHost)
  }

  public var name: String { context.device.name }

  public func makeStorage(count: Int) throws -> Buffer {
    // A block of columns may start in the last element: the slack keeps it inside the buffer.
    try context.makeBuffer(bytes: (count + planeSlack) * MemoryLayout<Float>.stride)
  }

  public func scratch(_ op: any Op, _ inputs: [Shape]) -> [Int] {
    (op as? any OpenCLOp)?.openCLScratch(inputs, configuration) ?? []
  }

  public func bind(
    _ op: any Op, _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor]
  ) throws -> [Launch] {
    guard let op = op as? any OpenCLOp else {
      preconditionFailure("\(op.name): no OpenCL form")
    }
    return try op.launches(inputs, into: outputs, scratch: scratch, on: self)
  }

  public func run(_ steps: [Launch]) throws {
    for step in steps { try context.enqueue(step) }
    try context.flush()
  }

  public func synchronize() throws { try context.finish() }

  public func write(_ values: UnsafeBufferPointer<Float>, to view: DeviceTensor) throws {
    guard let source = values.baseAddress else { return }
    try context.writeRows(
      source, to: view.storage, offset: 4 * view.offset, rowBytes: 4 * view.shape.plane,
      rows: view.shape.n * view.shape.c, pitch: 4 * view.planeStride)
  }

  public func read(_ view: DeviceTensor, into values: UnsafeMutableBufferPointer<Float>) throws {
    guard let target = values.baseAddress else { return }
    try context.readRows(
      target, from: view.storage, offset: 4 * view.offset, rowBytes: 4 * view.shape.plane,
      rows: view.shape.n * view.shape.c, pitch: 4 * view.planeStride)
  }

  public func fill(_ view: DeviceTensor, with value: Float) throws {
    try context.fill(view.storage, offset: 4 * view.offset, bytes: 4 * view.extent, with: value)
  }
}
