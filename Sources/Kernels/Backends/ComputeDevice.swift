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

  /// The order of preference of `auto`, lowest first: GPU, accelerator, and then the machine's own
  /// cores: by OpenCL where that was measured to be faster or its driver is to be looked at, else
  /// by the CPU backend, which starts at once. Last what only poses as a GPU.
  func rank(for purpose: DevicePurpose) -> Int {
    switch self {
    case .openCL(let device) where device.isMesaSoftware: 5
    case .openCL(let device):
      switch device.kind {
      case .gpu: 0
      case .accelerator: 1
      case .cpu, .other: purpose == .examining || isFasterThanCPUBackend(for: purpose) ? 2 : 4
      }
    case .cpu: 3
    }
  }

  /// Whether it is a GPU, or says so.
  public var isGPU: Bool {
    guard case .openCL(let device) = self else { return false }
    return device.kind == .gpu
  }

  /// Whether it computes on the CPU backend's cores, so that only time tells which to take.
  public var sharesCores: Bool {
    guard case .openCL(let device) = self else { return false }
    return device.kind == .cpu && !device.isMesaSoftware
  }

  /// What a user should know before computing there, in one line, or nil.
  public var caution: String? {
    guard case .openCL(let device) = self, device.isMesaSoftware else { return nil }
    return Mesa.softwareWarning
  }

  /// Its time as a share of the CPU backend's as `restormer bench --tune` measured it, or nil.
  public var timeBesideCPUBackend: RelativeTime? {
    guard case .openCL(let device) = self else { return nil }
    return TuningFile(device).loadTimeBesideCPUBackend()
  }

  /// Whether it was measured to be faster by more than its driver's compiling costs.
  private func isFasterThanCPUBackend(for purpose: DevicePurpose) -> Bool {
    timeBesideCPUBackend?[purpose].map { $0 < 0.95 } ?? false
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
    WorkerThreads.limitPoCL()
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
  /// - Parameters:
  ///   - request: `auto`, `cpu` (the CPU backend), `gpu`, a number of the list, or a part of a
  ///     name, vendor or platform.
  ///   - purpose: what `auto` chooses for.
  /// - Throws: `DeviceError` listing what there is when nothing fits.
  public func candidates(
    for request: String, purpose: DevicePurpose = .restoring
  ) throws -> [ComputeDevice] {
    let wanted = request.lowercased()
    let ranked = devices.enumerated().map { ($0.element.rank(for: purpose), $0.offset) }
      .sorted(by: <).map { devices[$0.1] }
    let fitting: [ComputeDevice]
    if wanted == "auto" {
      fitting = ranked
    } else if wanted == "cpu" {
      fitting = [.cpu]
    } else if wanted == "gpu" {
      fitting = ranked.filter(\.isGPU)
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
