import Foundation

/// A named array of numbers.
public struct NamedTensor: Sendable {
  /// The name in the state dict.
  public var name: String
  /// Extents, outermost first; empty for one number.
  public var shape: [Int]
  /// How the file stores it.
  public var type: ElementType
  /// Elements, row-major and contiguous.
  public var values: [Float]

  /// A tensor of `values`, whose count is the product of `shape`.
  public init(name: String, shape: [Int], type: ElementType = .float32, values: [Float]) {
    precondition(shape.reduce(1, *) == values.count, "NamedTensor: \(name) \(shape)")
    (self.name, self.shape, self.type, self.values) = (name, shape, type, values)
  }
}

/// The tensors of a weights file, in the order of the file.
public struct StateDict: Sendable {
  /// The tensors.
  public var tensors: [NamedTensor]
  /// Free text pairs.
  public var metadata: [String: String]
  /// What the file was: `safetensors`, `PyTorch zip (params)` and the like.
  public var format: String
  /// What a user should hear about the reading, a line each: which of several sets of weights was
  /// taken.
  public var notes: [String] = []
  /// Names of tensors that lie in the file beside the network's and were not read.
  public var leftOut: [String] = []
  /// What is wrong with tensors that cannot be read and need not be where they are not the
  /// network's, by their names.
  var unreadable: [String: String] = [:]

  /// A state dict of given tensors.
  public init(
    tensors: [NamedTensor], metadata: [String: String] = [:], format: String = "safetensors"
  ) {
    (self.tensors, self.metadata, self.format) = (tensors, metadata, format)
  }

  /// The tensor called `name`.
  public subscript(name: String) -> NamedTensor? { tensors.first { $0.name == name } }

  /// Reads a weights file, whose kind is told by its content.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - key: which of several sets of weights to take, by the key that it lies under, such as
  ///     `params_ema`; nil for the trained ones where a moving average lies beside them.
  /// - Throws: `WeightsError` naming the file and the fault.
  public init(contentsOf path: String, key: String? = nil) throws {
    let data = try WeightsFile.map(path)
    if PyTorchFile.isPyTorch(data) {
      self = try PyTorchFile(path: path, data: data).stateDict(key: key)
    } else {
      self = try SafetensorsReader(path: path, data: data).stateDict(key: key)
    }
  }

  /// Reads every tensor of a safetensors file under the name that it has there.
  /// - Throws: `WeightsError` naming the file and the fault.
  package init(everythingIn path: String) throws {
    self = try SafetensorsReader(path: path, data: WeightsFile.map(path)).stateDict(isWhole: true)
  }
}

/// A weights file that cannot be used.
public struct WeightsError: Error, CustomStringConvertible, Sendable {
  /// The file.
  public let path: String
  /// What is wrong with it.
  public let fault: String

  /// A fault of the file at `path`.
  public init(path: String, fault: String) { (self.path, self.fault) = (path, fault) }

  public var description: String { "\(path): \(fault)" }
}

enum WeightsFile {
  /// The file's bytes, mapped: what is not touched takes no memory.
  static func map(_ path: String) throws -> Data {
    guard let kind = FileKind(path) else { throw WeightsError(path: path, fault: "no such file") }
    guard kind != .folder else {
      throw WeightsError(path: path, fault: "is a folder, expected a weights file")
    }
    let data: Data
    do {
      data = try mappedFile(path)
    } catch {
      throw WeightsError(path: path, fault: "cannot \(error.operation): \(error.reason)")
    }
    if data.starts(with: "<".utf8) {
      throw WeightsError(path: path, fault: "is a page of HTML or XML: the download did not work")
    }
    if data.starts(with: "version https://git-lfs".utf8) {
      throw WeightsError(
        path: path, fault: "is only a pointer to the file: fetch that with `git lfs pull`")
    }
    guard data.count >= 8 else {
      throw WeightsError(
        path: path, fault: "\(data.count) bytes, expected a .safetensors or PyTorch file")
    }
    return data
  }
}
