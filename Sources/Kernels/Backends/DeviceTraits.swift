import CLBackend

/// What a device is, as far as the choice of a computation's form goes: operators and rewrites ask
/// for these, never for names.
public struct DeviceTraits: Hashable, Sendable {
  /// How a device likes its work cut.
  public enum Kind: String, Hashable, Sendable {
    /// Few threads with wide vectors and large caches: blocks in registers, no barriers.
    case cpu
    /// Many small work-items: neighbours touch neighbouring memory, groups share local memory.
    case gpu
  }

  /// How it likes its work cut.
  public var kind: Kind
  /// Independent processors: cores, or a GPU's multiprocessors.
  public var computeUnits: Int
  /// Bytes of local memory of one work-group.
  public var localMemory: Int
  /// Work-items of the largest work-group.
  public var maxGroupSize: Int
  /// Whether its memory is the machine's own.
  public var sharesHostMemory: Bool
  /// Floats of one vector instruction.
  public var vectorWidth: Int
  /// Whether kernels can load and store half precision, computing in float.
  public var storesHalf: Bool
  /// Whether it has a unit for products of small matrices that kernels can reach.
  public var hasMatrixUnit: Bool
  /// Whether that unit has computed three products before the cores have computed one.
  public var hasFastMatrixUnit: Bool

  /// The least that OpenCL 1.2 grants a device of `kind`: what holds where no device is at hand.
  public init(_ kind: Kind) {
    self.kind = kind
    (computeUnits, localMemory, maxGroupSize) = (1, 32 << 10, 64)
    (sharesHostMemory, vectorWidth) = (kind == .cpu, kind == .cpu ? 8 : 1)
    (storesHalf, hasMatrixUnit, hasFastMatrixUnit) = (true, false, false)
  }

  /// What `device` says of itself.
  /// - Parameters:
  ///   - device: the device.
  ///   - kind: how its work is to be cut; by default as suits it.
  public init(_ device: OpenCLDevice, shapedAs kind: Kind? = nil) {
    // Mesa's software renderer wants many short work-items too: it bounds their loops.
    self.init(kind ?? (device.kind == .cpu && !device.isMesaSoftware ? .cpu : .gpu))
    computeUnits = max(1, device.computeUnits)
    localMemory = device.localMemory
    maxGroupSize = max(1, device.maxWorkGroupSize)
    sharesHostMemory = device.kind == .cpu || device.hasUnifiedMemory
    vectorWidth = device.nativeFloatWidth
    // Factors of 10 bits, of which two make a float's, came with this generation.
    let (major, minor) = device.nvidiaComputeCapability
    hasMatrixUnit = major >= 8
    // Those of data centres multiply TF32 seven or eight times as fast as their cores multiply
    // floats, those of displays at most twice as fast (NVIDIA's white papers on each generation).
    hasFastMatrixUnit = (major == 8 && minor == 0) || major == 9 || major == 10
  }

  /// The machine's own processor, for the CPU backend.
  public static let host: DeviceTraits = {
    var traits = DeviceTraits(.cpu)
    traits.computeUnits = CPUBackend.coreCount
    traits.storesHalf = false
    return traits
  }()

  /// Whether it is a CPU-type device.
  public var isCPU: Bool { kind == .cpu }
}
