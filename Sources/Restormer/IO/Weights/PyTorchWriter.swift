extension StateDict {
  /// Writes the tensors as `torch.save({"params": state_dict}, path)` would, whole or not at all:
  /// the form in which Restormer's authors publish weights.
  /// - Parameters:
  ///   - path: the file, which is replaced if it is there.
  ///   - type: `float32`, `float16` or `bfloat16`.
  /// - Throws: `FileError` naming the file and the system's reason; `ModelError` beyond 4 GB.
  public func writePyTorch(to path: String, as type: ElementType = .float32) throws {
    let file = try AtomicFile(path: path)
    var archive = ZipWriter(file)
    try archive.add("params/data.pkl", PickleWriter(type: type).pickle(self))
    try archive.add("params/byteorder", Array("little".utf8))
    for (index, tensor) in tensors.enumerated() {
      try archive.add("params/data/\(index)", tensor.values.flatMap { type.encode($0) ?? [] })
    }
    try archive.add("params/version", Array("3\n".utf8))
    try archive.finish()
    try file.commit()
  }
}

/// Writes the pickle of a state dict, each tensor with a storage of its own.
private struct PickleWriter {
  let type: ElementType

  func pickle(_ state: StateDict) -> [UInt8] {
    let members = state.tensors.enumerated().flatMap { index, tensor in
      text(tensor.name) + self.tensor(tensor, storage: index)
    }
    let parameters = ordered + ascii("(") + members + ascii("u")
    return [0x80, 2] + ascii("}") + text("params") + parameters + ascii("s.")
  }

  /// `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
  private func tensor(_ tensor: NamedTensor, storage: Int) -> [UInt8] {
    var strides = [Int](repeating: 1, count: tensor.shape.count)
    for axis in strides.indices.dropLast().reversed() {
      strides[axis] = strides[axis + 1] * tensor.shape[axis + 1]
    }
    let reference =
      ascii("(") + text("storage") + ascii("ctorch\n\(storageClass)\n") + text("\(storage)")
      + text("cpu") + integer(tensor.values.count) + ascii("tQ")
    return ascii("ctorch._utils\n_rebuild_tensor_v2\n(") + reference + integer(0)
      + tuple(tensor.shape) + tuple(strides) + [0x89] + ordered + ascii("tR")
  }

  private var storageClass: String {
    switch type {
    case .float16: "HalfStorage"
    case .bfloat16: "BFloat16Storage"
    case .float64: "DoubleStorage"
    default: "FloatStorage"
    }
  }

  private var ordered: [UInt8] { ascii("ccollections\nOrderedDict\n)R") }

  private func tuple(_ numbers: [Int]) -> [UInt8] {
    ascii("(") + numbers.flatMap(integer) + ascii("t")
  }

  private func text(_ text: String) -> [UInt8] {
    ascii("X") + little(UInt32(text.utf8.count)) + text.utf8
  }

  private func integer(_ value: Int) -> [UInt8] {
    Int32(exactly: value).map { ascii("J") + little($0) } ?? [0x8A, 8] + little(Int64(value))
  }

  private func ascii(_ text: String) -> [UInt8] { Array(text.utf8) }

  private func little<Word: FixedWidthInteger>(_ word: Word) -> [UInt8] {
    withUnsafeBytes(of: word.littleEndian) { Array($0) }
  }
}
