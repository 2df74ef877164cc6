import CLBackend
import Foundation

/// A place to compute: an OpenCL device or the CPU backend.
public enum ComputeDevice {
  /// A device of some OpenCL platform.
  case openCL(OpenCLDevice)
  /// The program's own CPU backend, which needs no driver.
  case cpu

  /// The name shown to users.
  public var name: String {
    switch self {
    case .openCL(let device): device.name
    case .cpu: "CPU backend"
    }
  }

  /// Everything a name given by the user may match.
  var searchText: String {
    switch self {
    case .openCL(let device):
      [device.name, device.vendor, device.platformName, device.version].joined(separator: " ")
    case .cpu: "CPU backend"
    }
  }

  /// The order of preference of `auto`, lowest first: GPU, accelerator, CPU by OpenCL, CPU backend.
  var rank: Int {
    switch self {
    case .openCL(let device):
      switch device.kind {
      case .gpu: 0
      case .accelerator: 1
      case .cpu, .other: 2
      }
    case .cpu: 3
    }
  }
}

/// Every device there is, in listing order, and the platforms that could not be listed.
public struct DeviceList {
  /// Devices; the CPU backend is always the last.
  public let devices: [ComputeDevice]
  /// Platforms that failed, one line each.
  public let errors: [String]

  /// Asks every OpenCL platform.
  public init() {
    let (found, failures) = OpenCLDevice.enumerate()
    devices = found.map(ComputeDevice.openCL) + [.cpu]
    errors = failures.map { "OpenCL platform \($0.platform): \($0.error)" }
  }

  /// A given list.
  init(devices: [ComputeDevice], errors: [String] = []) {
    (self.devices, self.errors) = (devices, errors)
  }

  /// The list as it stands in error messages: `0 name, 1 name`.
  public var summary: String {
    devices.enumerated().map { "\($0) \($1.name)" }.joined(separator: ", ")
  }

  /// The devices that fit `request`, best first.
  ///
  /// - Parameter request: `auto`, `cpu` (the CPU backend), `gpu`, a number of the list, or a part of a
  ///   name, vendor or platform.
  /// - Throws: `DeviceError` listing what there is when nothing fits.
  public func candidates(for request: String) throws -> [ComputeDevice] {
    let wanted = request.lowercased()
    let fitting: [ComputeDevice]
    if wanted == "auto" {
      fitting = devices.enumerated().sorted {
        ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset)
      }
      .map(\.element)
    } else if wanted == "cpu" {
      fitting = [.cpu]
    } else if wanted == "gpu" {
      fitting = devices.filter { $0.rank == 0 }
    } else if let index = Int(wanted), devices.indices.contains(index) {
      fitting = [devices[index]]
    } else if Int(wanted) != nil {
      // Numbers of products have more digits than any list, and versions are no names.
      fitting = wanted.count < 3 ? [] : devices.filter { $0.name.contains(wanted) }
    } else {
      fitting = devices.filter { $0.searchText.lowercased().contains(wanted) }
    }
    guard !fitting.isEmpty else {
      throw DeviceError("no device fits '\(request)'; there are: \(summary)")
    }
    return fitting
  }
}

/// A device that was asked for does not exist or does not open.
public struct DeviceError: Error, CustomStringConvertible, Sendable {
  /// The fault in one line.
  public let description: String

  /// A fault in one line.
  public init(_ description: String) { self.description = description }
}

/// Work that runs on whichever backend was opened.
public protocol BackendVisitor {
  /// What the work gives.
  associatedtype Result
  /// Does the work on `backend`.
  func visit<B: Backend>(_ backend: B) throws -> Result
}

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

  /// Runs `visitor` on the backend.
  public func accept<V: BackendVisitor>(_ visitor: V) throws -> V.Result {
    switch self {
    case .openCL(let backend): try visitor.visit(backend)
    case .cpu(let backend): try visitor.visit(backend)
    }
  }

  /// Opens the best device for `request`.
  ///
  /// With `auto` a device that fails to open is reported through `warn` and the next is taken; a device
  /// that was asked for explicitly must open.
  /// - Parameters:
  ///   - request: as `DeviceList.candidates(for:)` takes it.
  ///   - configuration: tunables of an OpenCL device; the defaults of its kind if nil.
  ///   - profiling: note how long each launch takes.
  ///   - warn: hears of platforms and devices that failed, one line each.
  /// - Throws: `DeviceError` or the device's `OpenCLError`.
  public static func open(
    _ request: String, configuration: KernelConfiguration? = nil, profiling: Bool = false,
    warn: (String) -> Void
  ) throws -> OpenedBackend {
    let list = DeviceList()
    for error in list.errors { warn(error) }
    let candidates = try list.candidates(for: request)
    var lastError = DeviceError("no device fits '\(request)'")
    for candidate in candidates {
      do {
        return try open(candidate, configuration, profiling: profiling)
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
    case .cpu: return .cpu(CPUBackend())
    case .openCL(let device):
      let backend = try OpenCLBackend(
        device, configuration: configuration, profiling: profiling)
      try backend.selfTest()
      return .openCL(backend)
    }
  }
}

extension OpenCLBackend {
  /// Builds and runs the smallest kernel: a driver that lists a device but cannot compile shows here.
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

extension ComputeDevice {
  /// Whether both stand for the same device of one listing.
  public func isSame(as other: ComputeDevice?) -> Bool {
    switch (self, other) {
    case (.openCL(let a), .openCL(let b)): a === b
    case (.cpu, .cpu): true
    default: false
    }
  }
}
