import CLBackend
import CMicroKernels
import Dispatch

/// What a backend does at best, measured with the simplest code that could do it. No operator can
/// be faster than its arithmetic at `flops` or, where its tensors do not stay in a cache, than its
/// memory traffic at `bytes`.
///
/// The share of a ceiling tells whether there is anything left to gain, which a time alone does
/// not.
public struct DeviceCeilings: Sendable {
  /// Floating-point operations per second; a multiply-add counts as two.
  public let flops: Double
  /// Bytes read and written per second by a copy that no cache holds.
  public let bytes: Double
  /// Seconds from launch to launch of a kernel that does nothing, many enqueued together.
  public let launch: Double
  /// Seconds of one such launch and the wait for its end.
  public let launchAndFinish: Double

  /// The share of the ceiling that `seconds` amount to: the least time that work and traffic need,
  /// over the time taken. More than one is possible where a cache holds the traffic.
  public func share(multiplyAdds: Int, bytes moved: Int, seconds: Double) -> Double {
    max(2 * Double(multiplyAdds) / flops, Double(moved) / bytes) / seconds
  }
}

/// The quickest of several runs of `body`, in seconds: a ceiling is what nothing disturbed.
func quickest(of runs: Int = 5, _ body: () throws -> Void) rethrows -> Double {
  try body()
  var best = Double.infinity
  for _ in 0..<runs {
    let start = DispatchTime.now().uptimeNanoseconds
    try body()
    best = min(best, Double(DispatchTime.now().uptimeNanoseconds - start) / 1e9)
  }
  return best
}

extension OpenCLBackend {
  private static let section = "Ceilings"
  private static let launches = 1000

  public func measureCeilings() throws -> DeviceCeilings {
    let nothing = try launch(
      Self.section, "ceiling_nothing", [.region(try makeRegion(64))], global: [1], local: [1])
    let batch = [Launch](repeating: nothing, count: Self.launches)
    return DeviceCeilings(
      flops: try measureFlops(), bytes: try measureCopy(),
      launch: try time(batch) / Double(Self.launches), launchAndFinish: try time([nothing]))
  }

  private func time(_ steps: [Launch]) throws -> Double {
    try quickest {
      try run(steps)
      try synchronize()
    }
  }

  private func measureFlops() throws -> Double {
    // A CPU's work-items are threads that keep their registers busy; a GPU wants many of them.
    let isCPU = configuration.traits.isCPU
    let units = max(1, context.device.computeUnits)
    let (items, rounds) = isCPU ? (8 * units, 1 << 20) : (2048 * units, 1 << 12)
    // A vector of twice the registers' width would double the sums and spill them.
    let width = isCPU ? (context.device.nativeFloatWidth >= 16 ? 16 : 8) : 4
    let step = try launch(
      Self.section, "ceiling_multiply_add", [.region(try makeRegion(items)), .int(rounds)],
      global: [items], local: [isCPU ? 1 : configuration.groupSize],
      defines: ["VECTOR_WIDTH": width])
    let work = 2.0 * Double(items * rounds * width) * Double(Self.ceilingSums)
    return work / (try time([step]))
  }

  /// Sums of a work-item: enough to cover the latency of two multiply-adds a cycle, few enough for
  /// 16 registers.
  static let ceilingSums = 10

  private func measureCopy() throws -> Double {
    let isCPU = configuration.traits.isCPU
    // Beyond every cache, within every device's largest allocation.
    let count = min(1 << 25, memory.allocation / 16) / 65536 * 65536
    // Vectors of 16 and of 4 elements: see the kernel.
    let (chunk, vector) = isCPU ? (65536, 16) : (16, 4)
    let (source, target) = (try makeRegion(count), try makeRegion(count))
    try fill(source, with: 1)
    let step = try launch(
      Self.section, "ceiling_copy", [.region(source), .region(target), .int(chunk / vector)],
      global: [count / chunk], local: [isCPU ? 1 : configuration.groupSize])
    return 8 * Double(count) / (try time([step]))
  }

  private func makeRegion(_ count: Int) throws -> DeviceTensor {
    TensorView(try makeStorage(count: count), offset: 0, shape: Shape(1, 1, 1, count))
  }
}

extension CPUBackend {
  public func measureCeilings() throws -> DeviceCeilings {
    let cores = Self.coreCount
    let sinks = try makeStorage(count: 16 * cores)
    sinks.base.update(repeating: 0.5, count: 16 * cores)
    let seconds = quickest {
      parallelFor(cores) { _ = restormer_multiply_adds(1 << 22, sinks.base + 16 * $0) }
    }
    let work = Double(cores) * restormer_multiply_adds(1 << 22, sinks.base)
    let empty = quickest { for _ in 0..<1000 { parallelFor(cores) { _ in } } } / 1000
    return DeviceCeilings(
      flops: work / seconds, bytes: try measureCopy(), launch: empty, launchAndFinish: empty)
  }

  private func measureCopy() throws -> Double {
    let count = min(1 << 25, memory.allocation / 16)
    let (source, target) = (try makeStorage(count: count), try makeStorage(count: count))
    source.base.update(repeating: 1, count: count)
    let seconds = quickest {
      parallelRanges(count, grain: 1 << 20) {
        (target.base + $0.lowerBound).update(from: source.base + $0.lowerBound, count: $0.count)
      }
    }
    return 8 * Double(count) / seconds
  }
}
