import Foundation

/// Reads weights that `torch.save` wrote: the zip form and the legacy form.
struct PyTorchFile {
  let path: String
  let data: Data

  /// The number that begins the legacy form, as pickles write it in binary and in digits.
  private static let magic = Data([
    0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
  ])
  private static let magicText = Data("L119547037146038801333356L".utf8)

  /// Whether the bytes begin as a zip archive or a pickle does. A safetensors file may begin like a
  /// pickle, but goes on with an object of JSON.
  static func isPyTorch(_ data: Data) -> Bool {
    data.starts(with: [0x50, 0x4B, 0x03, 0x04]) || data.starts(with: magicText)
      || (data[0] == 0x80 && (2...5).contains(data[1]) && data.dropFirst(8).first != 0x7B)
  }

  /// - Parameter key: which of several sets of weights to take.
  func stateDict(key: String?) throws -> StateDict {
    do {
      let isZip = data.starts(with: [0x50, 0x4B])
      let content = try isZip ? PyTorchContent(zip: data) : PyTorchContent(legacy: data)
      return try content.stateDict(key: key, format: isZip ? "PyTorch zip" : "PyTorch legacy")
    } catch let fault as PickleFault {
      throw WeightsError(path: path, fault: fault.text)
    }
  }

  /// Whether a legacy file begins as `torch.save` begins it.
  static func hasMagic(_ data: Data) -> Bool {
    let head = data.prefix(40)
    return head.range(of: magic) != nil || head.range(of: magicText) != nil
  }
}

/// The unpickled object of a file and its storages.
struct PyTorchContent {
  private let heap: PickleHeap
  private let root: PickleValue
  private let storages: PyTorchStorages

  init(zip data: Data) throws {
    let archive = try ZipArchive(data)
    if archive.names.contains(where: { $0.hasSuffix("/constants.pkl") }) {
      throw PickleFault("is a TorchScript program: load it in PyTorch and save its state_dict()")
    }
    let pickles = archive.names.filter { $0.hasSuffix("/data.pkl") || $0 == "data.pkl" }
    guard let pickle = pickles.first, pickles.count == 1 else {
      throw PickleFault(
        "the archive has \(pickles.count) data.pkl, expected one: it was not written by torch.save")
    }
    let prefix = pickle.dropLast("data.pkl".count)
    let isBigEndian =
      try archive.names.contains(prefix + "byteorder")
      && archive.contents(prefix + "byteorder").elementsEqual("big".utf8)
    let bytes = Data([UInt8](try archive.contents(pickle)))
    heap = PickleHeap(fileBytes: data.count)
    var interpreter = PickleInterpreter(bytes, range: 0..<bytes.count, heap: heap)
    root = try interpreter.run()
    var storages: [String: Data] = [:]
    for name in archive.names where name.hasPrefix(prefix + "data/") {
      storages[String(name.dropFirst(prefix.count + 5))] = try archive.contents(name)
    }
    self.storages = PyTorchStorages(
      bytes: storages, isBigEndian: isBigEndian, fileBytes: data.count)
  }

  /// Three small pickles (magic number, protocol, system), the object, the list of storage keys,
  /// and then each storage: its element count in eight bytes, its elements, the lowest byte first
  /// on every machine.
  init(legacy data: Data) throws {
    guard PyTorchFile.hasMagic(data) else {
      throw PickleFault("is a pickle that was not written by torch.save")
    }
    let heap = PickleHeap(fileBytes: data.count)
    self.heap = heap
    var position = 0
    func next() throws -> (value: PickleValue, elements: [String: PickleElement]) {
      var interpreter = PickleInterpreter(data, range: position..<data.count, heap: heap)
      let value = try interpreter.run()
      position = interpreter.position
      return (value, interpreter.elements)
    }
    for _ in 0..<3 { _ = try next() }
    let (object, elements) = try next()
    root = object
    guard case .container(let keys) = try next().value else {
      throw PickleFault("has no list of storages")
    }
    var storages: [String: Data] = [:]
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
      storages[key] = data[start..<position]
    }
    self.storages = PyTorchStorages(bytes: storages, isBigEndian: false, fileBytes: data.count)
  }

  func stateDict(key: String?, format: String) throws -> StateDict {
    let found = try dictionaries()
    let sets = found.flatMap { WeightSet.sets(among: $0.members, under: $0.keys) }
    if let (set, notes) = try WeightSet.choose(among: sets, key: key) {
      let (readable, unreadable) = set.members(PyTorchStorages.fault)
      var state = StateDict(tensors: try storages.tensors(readable), format: set.format(format))
      (state.notes, state.leftOut, state.unreadable) = (notes, set.strangers, unreadable)
      return state
    }
    // No Restormer: whatever tensors there are.
    guard let first = found.first(where: { key.map($0.keys.contains) ?? true }) else {
      let hasOptimizers =
        if case .container(let root) = root { root["optimizers"] != nil } else { false }
      throw PickleFault(
        hasOptimizers
          ? "holds the state of an optimizer and no weights: those are in the run's folder of "
            + "models"
          : "holds no weights: expected a dictionary of tensors, alone or under a key such as "
            + "'params'"
      )
    }
    return StateDict(
      tensors: try storages.tensors(first.members),
      format: first.keys.isEmpty ? format : "\(format) (\(first.keys.joined(separator: ".")))")
  }

  private typealias Dictionary = (keys: [String], members: [(name: String, value: PickleValue)])

  /// One that lies under more keys than this is an attack.
  private static let mostDictionaries = 16

  /// Every dictionary with named tensors in it, outermost first.
  private func dictionaries() throws -> [Dictionary] {
    var found: [Dictionary] = []
    // Where in `found` the tensors of a container are, which may lie under several keys.
    var seen: [ObjectIdentifier: Int?] = [:]
    var level: [(keys: [String], value: PickleValue)] = [([], root)]
    // Containers in containers in a container: deeper than that nobody hides weights.
    for _ in 0..<4 {
      var inner: [(keys: [String], value: PickleValue)] = []
      for (keys, value) in level {
        guard let container = Self.container(value) else { continue }
        let identity = ObjectIdentifier(container)
        if let place = seen[identity] {
          if let place, found.count < Self.mostDictionaries {
            found.append((keys, found[place].members))
          }
          continue
        }
        inner += container.items.map { (keys, $0) }
        var members: [(name: String, value: PickleValue)] = []
        for (key, value) in container.pairs {
          guard case .string(let name) = key else { continue }
          if Self.container(value) == nil {
            members.append((name, value))
          } else {
            inner.append((keys + [name], value))
          }
        }
        members.removeAll { !Self.isTensor($0.value) }
        seen[identity] = .some(members.isEmpty ? nil : found.count)
        if !members.isEmpty { found.append((keys, members)) }
      }
      level = inner
    }
    return found
  }

  private static func container(_ value: PickleValue) -> PickleContainer? {
    switch value {
    case .container(let container), .tuple(let container): container
    default: nil
    }
  }

  private static func isTensor(_ value: PickleValue) -> Bool {
    switch value {
    case .tensor, .unreadable: true
    default: false
    }
  }
}
