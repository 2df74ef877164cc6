import Foundation

/// The raw elements of a PyTorch file, and how tensors lie in them.
struct PyTorchStorages {
  let bytes: [String: Data]
  let isBigEndian: Bool
  let fileBytes: Int

  /// The tensors among `members` as arrays of numbers.
  /// - Throws: `PickleFault` naming the tensor that cannot be had.
  func tensors(_ members: [(name: String, value: PickleValue)]) throws -> [NamedTensor] {
    // Views may overlap, but no weights need more memory than eight bits widened do.
    var room = 4 * bytes.values.reduce(fileBytes) { $0 + $1.count } + (1 << 16)
    return try members.compactMap { name, value in
      if let fault = Self.fault(of: value, called: name) { throw PickleFault(fault) }
      guard case .tensor(let tensor) = value else { return nil }
      let count = try elementCount(tensor, name: name)
      guard count <= room / MemoryLayout<Float>.stride else {
        throw PickleFault("its tensors take far more memory than the file: refused")
      }
      room -= count * MemoryLayout<Float>.stride
      return try materialize(tensor, count: count, name: name)
    }
  }

  /// Why a tensor is no array of numbers; nil for one that is.
  static func fault(of value: PickleValue, called name: String) -> String? {
    switch value {
    case .unreadable(let kind): "'\(name)' is a \(kind) tensor, expected a plain one"
    case .tensor(let tensor):
      if case .other(let kind, _) = tensor.element {
        "'\(name)' holds \(kind) elements, expected plain numbers"
      } else {
        nil
      }
    default: nil
    }
  }

  private func materialize(_ tensor: PickleTensor, count: Int, name: String) throws -> NamedTensor?
  {
    let storage = tensor.storage
    guard case .readable(let type) = tensor.element else { return nil }
    guard let held = bytes[storage.key] else {
      throw PickleFault("'\(name)' needs storage '\(storage.key)', which is missing")
    }
    guard storage.start + storage.bytes <= held.count else {
      throw PickleFault(
        "storage '\(storage.key)' has \(held.count) bytes, '\(name)' was saved with "
          + "\(storage.start + storage.bytes)")
    }
    let values = held.withUnsafeBytes { raw in
      let part = raw[storage.start..<storage.start + storage.bytes]
      return gather(UnsafeRawBufferPointer(rebasing: part), as: type, tensor, count: count)
    }
    return NamedTensor(name: name, shape: tensor.shape, type: type, values: values)
  }

  /// The number of elements, after checking that every one lies within the storage.
  private func elementCount(_ tensor: PickleTensor, name: String) throws -> Int {
    var count = 1
    var last = tensor.offset
    for (extent, step) in zip(tensor.shape, tensor.strides) {
      let (product, overflowA) = count.multipliedReportingOverflow(by: extent)
      let (reach, overflowB) = step.multipliedReportingOverflow(by: max(0, extent - 1))
      let (sum, overflowC) = last.addingReportingOverflow(reach)
      guard !overflowA, !overflowB, !overflowC else {
        throw PickleFault("the shape of '\(name)' overflows")
      }
      (count, last) = (product, sum)
    }
    let held = tensor.storage.bytes / tensor.element.size
    guard count == 0 || last < held else {
      throw PickleFault(
        "'\(name)' \(tensor.shape.prefix(8)) reaches element \(last) of a storage of \(held)")
    }
    return count
  }

  private func gather(
    _ bytes: UnsafeRawBufferPointer, as type: ElementType, _ tensor: PickleTensor, count: Int
  ) -> [Float] {
    var index = [Int](repeating: 0, count: tensor.shape.count)
    var position = tensor.offset
    return (0..<count).map { _ in
      let value = type.element(position, of: bytes, isBigEndian: isBigEndian)
      for axis in tensor.shape.indices.reversed() {
        index[axis] += 1
        // What lies beyond the last element is never read, but may overflow.
        position &+= tensor.strides[axis]
        if index[axis] < tensor.shape[axis] { break }
        position &-= tensor.strides[axis] &* tensor.shape[axis]
        index[axis] = 0
      }
      return value
    }
  }
}
