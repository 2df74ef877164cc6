/// A backend that was opened, whichever it is.
public enum OpenedBackend {
  /// An OpenCL device.
  case openCL(OpenCLBackend)
  /// The CPU backend.
  case cpu(CPUBackend)

  /// The name shown to users.
  public var name: String {
    switch self {
    case .openCL(let backend): "\(backend.name) (\(backend.context.device.platformName))"
    case .cpu(let backend): backend.name
    }
  }

  /// The backend, to be opened by a function of `some Backend`.
  public var backend: any Backend {
    switch self {
    case .openCL(let backend): backend
    case .cpu(let backend): backend
    }
  }

  /// Opens the best device for `request`.
  ///
  /// With `auto` a device that fails to open is reported through `warn` and the next is taken; a
  /// device that was asked for explicitly must open.
  /// - Parameters:
  ///   - request: `auto`, `cpu`, `gpu`, a number of `restormer devices` or a part of a name.
  ///   - purpose: what `auto` chooses for.
  ///   - configuration: tunables of an OpenCL device; the defaults of its kind if nil.
  ///   - profiling: whether launches are timed.
  ///   - warn: is told what did not open.
  /// - Throws: `DeviceError` or the device's `OpenCLError`.
  public static func open(
    _ request: String, for purpose: DevicePurpose = .restoring,
    configuration: KernelConfiguration? = nil, profiling: Bool = false, warn: (String) -> Void
  ) throws -> OpenedBackend {
    // Drivers that nobody asked for need not be loaded: they take time and memory.
    if request.lowercased() == "cpu" {
      return try open(.cpu, configuration, profiling: profiling)
    }
    let list = DeviceList()
    for error in list.errors { warn(error) }
    let candidates = try list.candidates(for: request, purpose: purpose)
    var lastError = DeviceError("no device fits '\(request)'")
    for candidate in candidates {
      do {
        let opened = try open(candidate, configuration, profiling: profiling)
        if let caution = candidate.caution { warn(caution) }
        return opened
      } catch {
        lastError = DeviceError("\(candidate.name) does not open: \(error)")
        guard request.lowercased() == "auto" else { break }
        warn("\(lastError); taking the next device")
      }
    }
    throw lastError
  }

  private static func open(
    _ device: ComputeDevice, _ configuration: KernelConfiguration?, profiling: Bool
  ) throws -> OpenedBackend {
    switch device {
    case .cpu:
      try InstructionSet.settled.get()
      return .cpu(CPUBackend())
    case .openCL(let device):
      let backend = try OpenCLBackend(
        device, configuration: configuration, profiling: profiling)
      try backend.selfTest()
      return .openCL(try backend.usingMatrixUnit())
    }
  }
}

extension OpenCLBackend {
  /// Builds and runs the smallest kernel: a driver that lists a device but cannot compile shows
  /// here.
  /// - Throws: `OpenCLError`, or `DeviceError` when the sum is wrong.
  func selfTest() throws {
    let storage = try makeStorage(count: 64 * 3)
    let views = (0..<3).map { TensorView(storage, offset: 64 * $0, shape: .scalar) }
    try write([1.5], to: views[0])
    try write([2], to: views[1])
    try run(try bind(Add(), Array(views[..<2]), into: [views[2]], scratch: []))
    let sum = try read(views[2])
    guard sum == [3.5] else { throw DeviceError("1.5 + 2 gave \(sum[0])") }
  }
}
