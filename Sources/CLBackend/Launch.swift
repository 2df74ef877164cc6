/// A kernel with its arguments and its grid: enqueued as often as wanted. It keeps its buffers
/// alive.
public struct Launch {
  /// The kernel.
  public let kernel: Kernel
  /// What it is called with, in the order of its parameters.
  public let arguments: [Argument]
  /// Work-items in each dimension.
  public let global: [Int]
  /// Work-items of a group in each dimension; the driver's choice if nil.
  public let local: [Int]?
  /// The number of the first work-item in each dimension; zeros if empty.
  public private(set) var offset: [Int] = []
  /// The name in profiles.
  public var label: String
  /// Floating-point operations of one launch.
  public var flops: Double
  /// Bytes that one launch moves at least.
  public var bytes: Double

  /// A launch of `kernel` over `global` work-items.
  /// - Parameters:
  ///   - kernel: the kernel.
  ///   - arguments: one for each of its parameters, in order.
  ///   - global: work-items in one to three dimensions.
  ///   - local: work-items of a group, in as many dimensions; the driver's choice if nil.
  ///   - label: the name in profiles; the kernel's name if nil.
  ///   - flops: floating-point operations of one launch.
  ///   - bytes: bytes that one launch moves at least.
  public init(
    _ kernel: Kernel, _ arguments: [Argument], global: [Int], local: [Int]? = nil,
    label: String? = nil, flops: Double = 0, bytes: Double = 0
  ) {
    precondition(
      (1...3).contains(global.count) && local.map { $0.count == global.count } ?? true,
      "\(kernel.name): grid \(global) in groups of \(local ?? [])")
    (self.kernel, self.arguments) = (kernel, arguments)
    (self.global, self.local) = (global, local)
    (self.label, self.flops, self.bytes) = (label ?? kernel.name, flops, bytes)
  }

  /// Work-groups along a dimension.
  public func groups(along dimension: Int) -> Int { global[dimension] / groupSize(dimension) }

  /// The launch of some of its work-groups along one dimension: parts that have all groups between
  /// them do what the whole does, if the kernel does not ask how many there are.
  public func part(groups: Range<Int>, along dimension: Int) -> Launch {
    precondition(
      groups.lowerBound >= 0 && groups.upperBound <= self.groups(along: dimension),
      "\(label): no groups \(groups) along dimension \(dimension)")
    let size = groupSize(dimension)
    var global = global
    global[dimension] = size * groups.count
    let share = Double(global[dimension]) / Double(self.global[dimension])
    var part = Launch(
      kernel, arguments, global: global, local: local, label: label, flops: share * flops,
      bytes: share * bytes)
    part.offset = offset.isEmpty ? global.map { _ in 0 } : offset
    part.offset[dimension] += size * groups.lowerBound
    return part
  }

  private func groupSize(_ dimension: Int) -> Int { local?[dimension] ?? 1 }
}
