import Foundation

/// Reads weights that `torch.save` wrote: the zip form and the legacy form.
struct PyTorchFile {
  let path: String
  let data: Data

  /// Whether the bytes begin as a zip archive or a pickle does. A safetensors file may begin like a pickle, but goes on
  /// with an object of JSON.
  static func isPyTorch(_ data: Data) -> Bool {
    data.starts(with: [0x50, 0x4B, 0x03, 0x04])
      || (data[0] == 0x80 && (2...5).contains(data[1]) && data.dropFirst(8).first != 0x7B)
  }

  func stateDict(selecting selection: StateDict.Selection) throws -> StateDict {
    do {
      let isZip = data.starts(with: [0x50, 0x4B])
      let content = try isZip ? PyTorchContent(zip: data) : PyTorchContent(legacy: data)
      let (entry, key) = try content.weights(selecting: selection)
      let form = isZip ? "PyTorch zip" : "PyTorch legacy"
      return StateDict(
        tensors: try content.tensors(of: entry), format: key.map { "\(form) (\($0))" } ?? form)
    } catch let fault as PickleFault {
      throw WeightsError(path: path, fault: fault.text)
    }
  }
}

/// The unpickled object of a file and where its storages lie.
struct PyTorchContent {
  private let data: Data
  private let heap: PickleHeap
  private let root: PickleContainer
  private let storages: [String: Range<Int>]

  init(zip data: Data) throws {
    let archive = try ZipArchive(data)
    let pickles = archive.names.filter { $0.hasSuffix("/data.pkl") || $0 == "data.pkl" }
    guard let pickle = pickles.first, pickles.count == 1 else {
      throw PickleFault(
        "the archive has \(pickles.count) data.pkl, expected one: it was not written by torch.save")
    }
    let prefix = pickle.dropLast("data.pkl".count)
    if archive.names.contains(prefix + "byteorder") {
      let range = try archive.contents(prefix + "byteorder")
      guard data[range].elementsEqual("little".utf8) else {
        throw Self.bigEndian
      }
    }
    let range = try archive.contents(pickle)
    heap = PickleHeap(fileBytes: data.count)
    var interpreter = PickleInterpreter(data, range: range, heap: heap)
    root = try Self.container(try interpreter.run())
    var storages: [String: Range<Int>] = [:]
    for name in archive.names where name.hasPrefix(prefix + "data/") {
      storages[String(name.dropFirst(prefix.count + 5))] = try archive.contents(name)
    }
    (self.data, self.storages) = (data, storages)
  }

  /// Three small pickles (magic number, protocol, system), the object, the list of storage keys, and then each
  /// storage: its element count in eight bytes, its elements.
  init(legacy data: Data) throws {
    self.data = data
    let heap = PickleHeap(fileBytes: data.count)
    self.heap = heap
    var position = 0
    func next() throws -> (value: PickleValue, elements: [String: PickleElement]) {
      var interpreter = PickleInterpreter(data, range: position..<data.count, heap: heap)
      let value = try interpreter.run()
      position = interpreter.position
      return (value, interpreter.elements)
    }
    // The magic number has more than 64 bits, so the interpreter knows no value for it.
    guard case .none = try next().value else {
      throw PickleFault("is a pickle that was not written by torch.save")
    }
    _ = try next()
    if case .container(let system) = try next().value, case .bool(false)? = system["little_endian"]
    {
      throw Self.bigEndian
    }
    let (object, elements) = try next()
    root = try Self.container(object)
    guard case .container(let keys) = try next().value else {
      throw PickleFault("has no list of storages")
    }
    var storages: [String: Range<Int>] = [:]
    for item in keys.items {
      guard case .string(let key) = item else {
        throw PickleFault("has a storage key that is no text")
      }
      var reader = ByteReader(data, range: position..<data.count)
      let count = try reader.unsigned(bytes: 8)
      guard let size = elements[key]?.size, count <= UInt64(reader.remaining / size) else {
        throw PickleFault("ends within storage '\(key)': the file is cut off")
      }
      let start = reader.position
      position = start + Int(count) * size
      storages[key] = start..<position
    }
    self.storages = storages
  }

  private static var bigEndian: PickleFault {
    PickleFault("was written on a big-endian machine, which is not supported")
  }

  private static func container(_ value: PickleValue) throws -> PickleContainer {
    guard case .container(let container) = value, container.kind == .dictionary else {
      throw PickleFault("holds no dictionary of tensors")
    }
    return container
  }

  /// The dictionary of weights and the key it stands under, if any.
  func weights(selecting selection: StateDict.Selection) throws -> (PickleContainer, String?) {
    let preferred = selection == .ema ? ["params_ema", "params"] : ["params", "params_ema"]
    for key in preferred + ["state_dict", "model", "model_state_dict"] {
      if case .container(let inner)? = root[key], inner.kind == .dictionary { return (inner, key) }
    }
    if root.pairs.contains(where: { if case .tensor = $0.value { true } else { false } }) {
      return (root, nil)
    }
    if root["optimizers"] != nil {
      throw PickleFault("holds the state of an optimizer and no weights")
    }
    throw PickleFault("holds no weights: expected tensors, 'params', 'params_ema' or 'state_dict'")
  }

  /// The tensors of a dictionary, `module.` removed from their names.
  func tensors(of dictionary: PickleContainer) throws -> [NamedTensor] {
    // Views may overlap, but no weights need more memory than half precision widened does.
    var room = 2 * data.count + (1 << 16)
    return try dictionary.pairs.map { key, value in
      guard case .string(let name) = key else {
        throw PickleFault("has a tensor without a text name")
      }
      guard case .tensor(let tensor) = value else {
        throw PickleFault("'\(name)' is no tensor")
      }
      let count = try elementCount(tensor, name: name)
      guard count <= room / MemoryLayout<Float>.stride else {
        throw PickleFault("its tensors take far more memory than the file: refused")
      }
      room -= count * MemoryLayout<Float>.stride
      let plain = name.hasPrefix("module.") ? String(name.dropFirst(7)) : name
      return try materialize(tensor, count: count, name: plain)
    }
  }

  private func materialize(_ tensor: PickleTensor, count: Int, name: String) throws -> NamedTensor {
    let storage = tensor.storage
    guard let type = storage.element.elementType else {
      throw PickleFault(
        "'\(name)' holds \(storage.element.rawValue) elements, expected floating point")
    }
    guard let range = storages[storage.key] else {
      throw PickleFault("'\(name)' needs storage '\(storage.key)', which is missing")
    }
    let (needed, overflow) = storage.count.multipliedReportingOverflow(by: type.size)
    guard !overflow, needed <= range.count else {
      throw PickleFault(
        "storage '\(storage.key)' has \(range.count) bytes, '\(name)' was saved with "
          + "\(storage.count) elements of \(type.size)")
    }
    let values = data.withUnsafeBytes { raw in
      gather(
        UnsafeRawBufferPointer(rebasing: raw[range]), as: type, tensor: tensor, count: count)
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
    guard count == 0 || last < tensor.storage.count else {
      throw PickleFault(
        "'\(name)' \(tensor.shape) reaches element \(last) of a storage of \(tensor.storage.count)")
    }
    return count
  }

  private func gather(
    _ bytes: UnsafeRawBufferPointer, as type: ElementType, tensor: PickleTensor, count: Int
  ) -> [Float] {
    var index = [Int](repeating: 0, count: tensor.shape.count)
    var position = tensor.offset
    return (0..<count).map { _ in
      let value = type.element(position, of: bytes)
      for axis in tensor.shape.indices.reversed() {
        index[axis] += 1
        position += tensor.strides[axis]
        if index[axis] < tensor.shape[axis] { break }
        position -= tensor.strides[axis] * tensor.shape[axis]
        index[axis] = 0
      }
      return value
    }
  }
}
