import CLBackend

/// How much of a device's memory may be used: the one rule behind every promise, of training and
/// restoring alike.
public struct MemoryBudget: Sendable, Equatable {
  /// Bytes of the largest single allocation.
  public let allocation: Int
  /// Bytes that all allocations together may take.
  public let total: Int
  /// Whether this is the machine's own memory, which images take too.
  public let isHost: Bool

  /// The budget of a device with `memory` bytes, of which one allocation takes at most
  /// `allocation`. An eighth stays with the display, the driver and other programs.
  public init(memory: Int, allocation: Int, isHost: Bool) {
    total = max(0, memory - memory / 8)
    self.allocation = max(0, min(allocation, total))
    self.isHost = isHost
  }

  /// The budget of the machine's own memory, of what is free now.
  public static var host: MemoryBudget {
    let free = HostMemory.available
    return MemoryBudget(memory: free, allocation: free, isHost: true)
  }

  /// The budget of an OpenCL device. One that shares the machine's memory reports all of it, used
  /// or not.
  init(_ device: OpenCLDevice, _ traits: DeviceTraits) {
    let memory =
      traits.sharesHostMemory
      ? min(device.globalMemory, HostMemory.available) : device.globalMemory
    self.init(
      memory: memory, allocation: device.maxAllocation, isHost: traits.sharesHostMemory)
  }

  /// Elements of the largest storage.
  package var largestStorage: Int { allocation / MemoryLayout<Float>.stride - planeSlack }

  /// Bytes that things kept for speed alone, such as decoded images, may take.
  public var cache: Int { min(2 << 30, total / 8) }

  /// Whether `need` fits beside `inUse` bytes.
  public func holds(_ need: MemoryNeed, beside inUse: Int = 0) -> Bool {
    need.total <= total - inUse && need.largest <= allocation
  }
}

/// What some work allocates of a device's memory, in bytes.
public struct MemoryNeed: Sendable, Equatable {
  /// Everything together.
  public let total: Int
  /// The largest single allocation.
  public let largest: Int

  /// The need of storages of so many elements, each allocated with its slack.
  public init(storages counts: [Int]) {
    let bytes = counts.map(Self.bytes)
    (total, largest) = (bytes.reduce(0, +), bytes.max() ?? 0)
  }

  /// A need of `bytes`, in pieces of any size.
  public init(pieces bytes: Int) { (total, largest) = (bytes, 0) }

  private init(total: Int, largest: Int) { (self.total, self.largest) = (total, largest) }

  /// Both at the same time.
  public static func + (a: MemoryNeed, b: MemoryNeed) -> MemoryNeed {
    MemoryNeed(total: a.total + b.total, largest: max(a.largest, b.largest))
  }

  /// Bytes that a backend allocates for a storage of `count` elements: a block of columns may start
  /// in the last one, and the slack keeps it inside.
  static func bytes(of count: Int) -> Int { (count + planeSlack) * MemoryLayout<Float>.stride }
}

/// Whether `error` says that a device has no more memory. Some drivers find out at an allocation,
/// others when a kernel first touches it.
public func isOutOfMemory(_ error: any Error) -> Bool {
  (error as? OpenCLError)?.isOutOfMemory ?? (error is CPUBackendError)
}
