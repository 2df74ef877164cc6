import CLBackend

/// The tunable numbers of the kernels, handed to the compiler as `-D NAME=VALUE`.
///
/// Each kernel section of `kernels.cl` declares its tunables with a default; a configuration overrides
/// them for a device family or a tuned device. Results never depend on it beyond rounding.
public struct KernelConfiguration: Hashable, Sendable {
  /// Values by the tunable's name.
  public var defines: [String: Int]
  /// Whether kernels are shaped for a CPU-type device: register blocks per work-item, no barriers.
  public let isCPUFamily: Bool
  /// Work-items per group in the pixel dimension of elementwise and register-blocked kernels.
  public var groupSize: Int

  /// The shipped defaults for a kind of device.
  public init(for kind: OpenCLDevice.Kind) {
    isCPUFamily = kind == .cpu
    groupSize = isCPUFamily ? 4 : 64
    defines = [:]
  }

  /// The compiler options.
  var options: String {
    var all = defines
    all["GROUP_SIZE"] = groupSize
    if isCPUFamily { all["CPU_DEVICE"] = 1 }
    return all.sorted { $0.key < $1.key }.map { "-D \($0.key)=\($0.value)" }.joined(separator: " ")
  }
}
