import CLBackend
import Foundation

/// Memory of the CPU backend, aligned to cache lines at least.
public final class CPUStorage: @unchecked Sendable {
  /// The first element.
  package let base: UnsafeMutablePointer<Float>
  /// Elements.
  package let count: Int
  private let meter: MemoryMeter

  /// Allocates `count` elements, contents undefined.
  /// - Throws: `CPUBackendError` when the system has no such memory.
  init(count: Int, meter: MemoryMeter) throws {
    let bytes = MemoryNeed.bytes(of: count)
    guard let pointer = HostAllocation.make(bytes: bytes) else {
      throw CPUBackendError(bytes: bytes)
    }
    base = pointer.bindMemory(to: Float.self, capacity: count + planeSlack)
    (self.count, self.meter) = (count, meter)
    meter.add(bytes)
  }

  deinit {
    free(base)
    meter.add(-MemoryNeed.bytes(of: count))
  }
}

/// The system refused memory.
public struct CPUBackendError: Error, CustomStringConvertible, Sendable {
  /// What was asked for.
  public let bytes: Int

  public var description: String {
    "the CPU backend could not allocate \(bytes >> 20) MiB of memory"
  }
}

/// A tensor in the CPU backend's memory.
public typealias CPUTensor = TensorView<CPUStorage>

extension TensorView where Storage == CPUStorage {
  /// The first element.
  package var base: UnsafeMutablePointer<Float> { storage.base + offset }

  /// The plane of image `n`, channel `c`.
  package func plane(_ n: Int, _ c: Int) -> UnsafeMutablePointer<Float> {
    base + n * batchStride + c * planeStride
  }
}

/// The reference and the fallback: every operator in plain Swift with C inner loops, on all cores.
///
/// A step is a closure over views of memory; running one spreads it over all cores and returns when
/// all are done, so that steps follow each other without marks or waits. Its results are what the
/// kernels are held to, beside the operators' definitions.
public final class CPUBackend: Backend {
  /// One evaluation, bound to memory.
  public typealias Step = () -> Void

  public let name = "CPU backend"
  public let traits = DeviceTraits.host
  /// The vector instructions in use: portable, avx2 or avx512.
  public var instructions: String { InstructionSet.current.rawValue }
  public let memory = MemoryBudget.host
  public var bytesInUse: Int { meter.bytes }
  private let meter = MemoryMeter()

  /// The cores that operators spread over.
  public static var coreCount: Int { WorkerThreads.count }

  /// A band of one core fits its second cache (measured on the paper's network with 2 MB of it,
  /// by the logarithm of the elements: 16 1.50 s, 17 1.44, 18 1.38, 19 1.48, 20 1.50); one of all
  /// cores fits all caches together and keeps them busy.
  package static var bandSizes: BandSizes {
    var sizes = BandSizes(elements: 1 << 20)
    (sizes.lanes, sizes.laneElements) = (coreCount, 1 << 18)
    return sizes
  }

  /// A backend that may use the memory which is free now, and the vector instructions that
  /// `RESTORMER_CPU_FEATURES` names, by default the best.
  public init() { _ = InstructionSet.settled }

  public func makeStorage(count: Int) throws -> CPUStorage {
    try CPUStorage(count: count, meter: meter)
  }

  public func scratch(_ op: any Op, _ inputs: [Shape]) -> [Int] {
    (op as? any CPUOp)?.cpuScratch(inputs) ?? []
  }

  public func bind(
    _ op: any Op, _ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]
  ) throws -> [Step] {
    guard let op = op as? any CPUOp else {
      preconditionFailure("\(op.name): no CPU twin")
    }
    if let op = op as? any CompositeOp {
      return op.cpuSteps(inputs, into: outputs, scratch: scratch)
    }
    return [{ op.evaluate(inputs, into: outputs, scratch: scratch) }]
  }

  public func run(_ steps: [Step]) throws { for step in steps { step() } }

  public func synchronize() throws {}

  public func write(_ values: UnsafeBufferPointer<Float>, to view: CPUTensor) throws {
    guard let source = values.baseAddress else { return }
    for plane in 0..<(view.shape.n * view.shape.c) {
      (view.base + plane * view.planeStride).update(
        from: source + plane * view.shape.plane, count: view.shape.plane)
    }
  }

  public func read(_ view: CPUTensor, into values: UnsafeMutableBufferPointer<Float>) throws {
    guard let target = values.baseAddress else { return }
    for plane in 0..<(view.shape.n * view.shape.c) {
      (target + plane * view.shape.plane).update(
        from: view.base + plane * view.planeStride, count: view.shape.plane)
    }
  }

  public func startReading(
    _ view: CPUTensor, into values: UnsafeMutableBufferPointer<Float>
  ) throws { try read(view, into: values) }

  public func fill(_ view: CPUTensor, with value: Float) throws {
    view.base.update(repeating: value, count: view.extent)
  }
}
