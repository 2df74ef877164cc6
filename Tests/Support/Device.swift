import CLBackend
import Foundation
import Kernels
import XCTest

/// The process's one OpenCL device: drivers lose track when every test opens its own.
public enum Device {
  /// The backend with the device's own kernel shapes.
  /// - Throws: `XCTSkip` where there is no OpenCL device, the driver's error where it cannot be
  ///   opened.
  public static func shared() throws -> OpenCLBackend { try unwrap(backend) }

  /// The same device with the kernel shapes of a GPU.
  public static func gpuShaped() throws -> OpenCLBackend { try unwrap(gpuBackend) }

  /// The same device with the kernel shapes of a GPU whose matrix unit is imitated.
  public static func matrixUnit() throws -> OpenCLBackend {
    try gpuShaped().multiplying(by: .imitated)
  }

  /// The same device with bands of so few rows that even small pictures have many.
  public static func smallBands() throws -> OpenCLBackend { try unwrap(smallBandBackend) }

  nonisolated(unsafe) private static let backend = Result { try open(nil) }
  nonisolated(unsafe) private static let gpuBackend = Result {
    try open(KernelConfiguration(for: .gpu))
  }
  nonisolated(unsafe) private static let smallBandBackend = Result { () -> OpenCLBackend? in
    guard let kind = try backend.get()?.traits.kind else { return nil }
    var configuration = KernelConfiguration(for: kind)
    configuration.bandElements = 2048
    return try open(configuration)
  }

  /// `RESTORMER_DEVICE` picks a device by a part of its name; the first one otherwise.
  private static func open(_ configuration: KernelConfiguration?) throws -> OpenCLBackend? {
    let wanted = ProcessInfo.processInfo.environment["RESTORMER_DEVICE"] ?? ""
    let device = OpenCLDevice.all().first {
      wanted.isEmpty || $0.name.localizedCaseInsensitiveContains(wanted)
    }
    return try device.map { try OpenCLBackend($0, configuration: configuration) }
  }

  private static func unwrap(_ backend: Result<OpenCLBackend?, any Error>) throws -> OpenCLBackend {
    guard let backend = try backend.get() else { throw XCTSkip("no OpenCL device") }
    return backend
  }
}
