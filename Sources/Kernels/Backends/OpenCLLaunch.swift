import CLBackend

/// One argument of a kernel in terms of tensors and numbers.
public enum KernelArgument {
  /// Buffer, offset of the first element, plane stride, batch stride: the `TENSOR` macro of `kernels.cl`.
  case tensor(DeviceTensor)
  /// Buffer and offset of the first element: plain memory without planes.
  case region(DeviceTensor)
  /// A 32-bit integer.
  case int(Int)
  /// A number.
  case float(Float)

  var arguments: [Argument] {
    switch self {
    case .tensor(let view):
      [
        .buffer(view.storage), .ulong(UInt64(view.offset)), .ulong(UInt64(view.planeStride)),
        .ulong(UInt64(view.batchStride)),
      ]
    case .region(let view): [.buffer(view.storage), .ulong(UInt64(view.offset))]
    case .int(let value): [.int(Int32(value))]
    case .float(let value): [.float(value)]
    }
  }
}

extension OpenCLBackend {
  /// Builds (or finds) the kernel `name` of a section of `kernels.cl` and binds a launch of it.
  ///
  /// - Parameters:
  ///   - section: the operator's section.
  ///   - name: the kernel's name.
  ///   - arguments: in the order of the kernel's parameters.
  ///   - global: work-items; each dimension is rounded up to a multiple of `local`, so kernels test bounds.
  ///   - local: the work-group; by default `configuration.groupSize` in the first dimension.
  ///   - defines: further `-D` values of this launch.
  ///   - flops: floating-point operations, for the profile.
  ///   - bytes: bytes moved at least, for the profile.
  /// - Throws: `OpenCLError` with the build log.
  public func launch(
    _ section: String, _ name: String, _ arguments: [KernelArgument], global: [Int],
    local: [Int]? = nil, defines: [String: Int] = [:], flops: Double = 0, bytes: Double = 0
  ) throws -> Launch {
    let kernel = try kernel(section, name, defines)
    let group = local ?? [configuration.groupSize] + global.dropFirst().map { _ in 1 }
    precondition(
      group.count == global.count, "\(name): \(global.count) global, \(group.count) local")
    return Launch(
      kernel, arguments.flatMap(\.arguments),
      global: zip(global, group).map { roundUp($0, $1) }, local: group, label: name, flops: flops,
      bytes: bytes)
  }

  /// Work-items of the largest group in which a kernel of `section` runs on this device.
  /// - Throws: `OpenCLError` with the build log.
  func largestGroup(_ section: String, _ name: String, defines: [String: Int]) throws -> Int {
    min(traits.maxGroupSize, try kernel(section, name, defines).maxGroupSize)
  }

  private func kernel(_ section: String, _ name: String, _ defines: [String: Int]) throws -> Kernel
  {
    var configuration = configuration
    configuration.defines.merge(defines) { $1 }
    let key = KernelTable.Key(section: section, name: name, configuration: configuration)
    return try kernels.kernel(key, on: context)
  }
}

/// The kernels of one context that were asked for: a network launches each of a few dozen many thousand times.
final class KernelTable {
  struct Key: Hashable {
    let section: String
    let name: String
    let configuration: KernelConfiguration
  }

  private var kernels: [Key: Kernel] = [:]

  /// The remembered kernel, or a new one.
  /// - Throws: `OpenCLError` with the build log.
  func kernel(_ key: Key, on context: OpenCLContext) throws -> Kernel {
    if let known = kernels[key] { return known }
    guard let source = KernelSource.unit(key.section) else {
      preconditionFailure("kernels.cl has no section \(key.section)")
    }
    let program = try context.program(source: source, options: key.configuration.options)
    let kernel = try program.kernel(key.name)
    kernels[key] = kernel
    return kernel
  }
}
