import CLBackend

/// One argument of a kernel in terms of tensors and numbers.
package enum KernelArgument {
  /// Buffer, offset of the first element, plane stride, batch stride: the `TENSOR` macro of
  /// `kernels.cl`.
  case tensor(DeviceTensor)
  /// Buffer and offset of the first element: plain memory without planes.
  case region(DeviceTensor)
  /// A 32-bit integer.
  case int(Int)
  /// A number.
  case float(Float)

  /// The view, if it is one.
  fileprivate var view: DeviceTensor? {
    switch self {
    case .tensor(let view), .region(let view): view
    case .int, .float: nil
    }
  }

  /// Bytes of the tensors among `arguments`, each once: the least that a launch moves.
  static func bytes(of arguments: [KernelArgument]) -> Int {
    struct Place: Hashable {
      let storage: ObjectIdentifier
      let offset: Int
    }
    var seen: Set<Place> = []
    return arguments.compactMap(\.view).reduce(0) { sum, view in
      let place = Place(storage: ObjectIdentifier(view.storage), offset: view.offset)
      return seen.insert(place).inserted
        ? sum + view.precision.bytes * view.shape.count : sum
    }
  }

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
  ///   - global: work-items; each dimension is rounded up to a multiple of `local`, so kernels test
  ///     bounds.
  ///   - local: the work-group; by default `configuration.groupSize` in the first dimension.
  ///   - defines: further `-D` values of this launch.
  ///   - multiplyAdds: what the launch has of its operator's, for the profile.
  /// - Throws: `OpenCLError` with the build log.
  package func launch(
    _ section: String, _ name: String, _ arguments: [KernelArgument], global: [Int],
    local: [Int]? = nil, defines: [String: Int] = [:], multiplyAdds: Int = 0
  ) throws -> Launch {
    let isHalf = arguments.contains { $0.view?.precision == .half }
    precondition(
      isHalf == defines.keys.contains { HalfDefines.names.contains($0) },
      "\(name): \(isHalf ? "half tensors for float" : "float tensors for half") kernels")
    let kernel = try kernel(section, name, defines)
    let group = local ?? [configuration.groupSize] + global.dropFirst().map { _ in 1 }
    precondition(
      group.count == global.count, "\(name): \(global.count) global, \(group.count) local")
    return Launch(
      kernel, arguments.flatMap(\.arguments),
      global: zip(global, group).map { roundUp($0, $1) }, local: group, label: name,
      flops: 2 * Double(multiplyAdds), bytes: Double(KernelArgument.bytes(of: arguments)))
  }

  /// Work-items of the largest group in which a kernel of `section` runs on this device.
  /// - Throws: `OpenCLError` with the build log.
  func largestGroup(_ section: String, _ name: String, defines: [String: Int]) throws -> Int {
    min(traits.maxGroupSize, try kernel(section, name, defines).maxGroupSize)
  }

  /// The kernel with these numbers beside the configuration's, compiled at most once.
  private func kernel(_ section: String, _ name: String, _ defines: [String: Int]) throws -> Kernel
  {
    var configuration = configuration
    configuration.defines.merge(defines) { $1 }
    let key = KernelTable.Key(section: section, name: name, configuration: configuration)
    return try kernels.kernel(key, on: context)
  }
}

/// What tells a kernel how the activations that it reads and writes lie in memory.
enum HalfDefines {
  static let names: Set<String> = ["HALF_IN", "HALF_OUT"]

  /// The names to define for a kernel that reads `x` and writes `y`; those of the same kind follow
  /// them.
  static func of(_ x: DeviceTensor, into y: DeviceTensor? = nil) -> [String: Int] {
    var defines: [String: Int] = [:]
    if x.precision == .half { defines["HALF_IN"] = 1 }
    if y?.precision == .half { defines["HALF_OUT"] = 1 }
    return defines
  }
}

/// The kernels of one context that were asked for: a network launches each of a few dozen many
/// thousand times.
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
    let program = try context.program(
      source: source, options: key.configuration.options(for: key.section))
    let kernel = try program.kernel(key.name)
    kernels[key] = kernel
    return kernel
  }
}
