import Foundation

/// Evaluates a pickle over a closed set of values: containers, numbers, texts, storages and
/// tensors.
///
/// No name is ever looked up and nothing is ever called: a name outside `PickleGlobal` is refused,
/// and a "call" of one inside it only builds the value it stands for. Work is bounded by the length
/// of the pickle, memory by the heap.
struct PickleInterpreter {
  private var reader: ByteReader
  private var stack: [PickleValue] = []
  private var memo: [PickleValue?] = []
  private let heap: PickleHeap
  /// Picklers fill containers in batches of 1000.
  private static let stackLimit = 100_000
  /// The element type of every storage that was referred to, by key.
  private(set) var elements: [String: PickleElement] = [:]

  /// Where the interpreter stands: after `run`, behind the pickle.
  var position: Int { reader.position }

  /// Evaluates `data[range]`; containers live as long as `heap`.
  init(_ data: Data, range: Range<Int>, heap: PickleHeap) {
    reader = ByteReader(data, range: range)
    self.heap = heap
  }

  /// - Throws: `PickleFault` naming what the pickle asks for that it may not have, or how it is
  ///   damaged.
  mutating func run() throws -> PickleValue {
    while true {
      let code = try reader.byte()
      if code == UInt8(ascii: ".") { return try pop() }
      try execute(code)
      guard stack.count <= Self.stackLimit else {
        throw PickleFault("stacks more values than weights need: refused")
      }
    }
  }

  private mutating func execute(_ code: UInt8) throws {
    if try pushScalar(code) || pushText(code) || buildContainer(code) || useMemo(code) { return }
    switch code {
    case 0x80: _ = try reader.byte()
    case 0x95: _ = try reader.unsigned(bytes: 8)
    case UInt8(ascii: "("): stack.append(.mark)
    case UInt8(ascii: "0"): _ = try pop()
    case UInt8(ascii: "1"): _ = try popToMark()
    case UInt8(ascii: "2"): stack.append(try top())
    case UInt8(ascii: "c"):
      let module = try reader.line()
      try pushGlobal(module: module, name: try reader.line())
    case 0x93:
      guard case .string(let name) = try pop(), case .string(let module) = try pop() else {
        throw PickleFault("asks for a name that is no text")
      }
      try pushGlobal(module: module, name: name)
    case UInt8(ascii: "R"), 0x81: try reduce()
    case UInt8(ascii: "b"): try build()
    case UInt8(ascii: "Q"): try pushPersistent()
    case UInt8(ascii: "P"):
      throw PickleFault("was saved with pickle protocol 0, which keeps no storages: save it again")
    default:
      throw PickleFault(
        "uses pickle operation 0x\(String(code, radix: 16)) at byte \(reader.position - 1), "
          + "which no weights need: refused")
    }
  }

  private mutating func pushScalar(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "N"): stack.append(.none)
    case 0x88: stack.append(.bool(true))
    case 0x89: stack.append(.bool(false))
    case UInt8(ascii: "K"): stack.append(.int(Int(try reader.unsigned(bytes: 1))))
    case UInt8(ascii: "M"): stack.append(.int(Int(try reader.unsigned(bytes: 2))))
    case UInt8(ascii: "J"):
      stack.append(.int(Int(Int32(truncatingIfNeeded: try reader.unsigned(bytes: 4)))))
    case 0x8A: stack.append(try longInteger(bytes: Int(try reader.byte())))
    case 0x8B: stack.append(try longInteger(bytes: try reader.length(bytes: 4)))
    case UInt8(ascii: "I"), UInt8(ascii: "L"): stack.append(textInteger(try reader.line()))
    case UInt8(ascii: "G"):
      stack.append(.float(Double(bitPattern: try reader.unsigned(bytes: 8).byteSwapped)))
    default: return false
    }
    return true
  }

  /// An integer in decimal digits, as protocol 1 writes it; it writes truth values as 00 and 01.
  private func textInteger(_ text: String) -> PickleValue {
    if text == "00" || text == "01" { return .bool(text == "01") }
    return Int(text.hasSuffix("L") ? text.dropLast() : text[...]).map { .int($0) } ?? .inert
  }

  /// A two's-complement integer; what exceeds 64 bits is kept as a number without value.
  private mutating func longInteger(bytes count: Int) throws -> PickleValue {
    let bytes = [UInt8](try reader.bytes(count))
    guard bytes.count <= 8 else { return .inert }
    var value: UInt64 = bytes.last.map { $0 >= 0x80 } == true ? .max : 0
    for byte in bytes.reversed() { value = value << 8 | UInt64(byte) }
    return .int(Int(truncatingIfNeeded: value))
  }

  private mutating func pushText(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "X"): stack.append(.string(try reader.text(try reader.length(bytes: 4))))
    case 0x8C: stack.append(.string(try reader.text(try reader.length(bytes: 1))))
    case 0x8D: stack.append(.string(try reader.text(try reader.length(bytes: 8))))
    case UInt8(ascii: "U"): stack.append(.string(try reader.text(try reader.length(bytes: 1))))
    case UInt8(ascii: "T"): stack.append(.string(try reader.text(try reader.length(bytes: 4))))
    case UInt8(ascii: "C"): try skipBytes(length: 1)
    case UInt8(ascii: "B"): try skipBytes(length: 4)
    case 0x8E, 0x96: try skipBytes(length: 8)
    default: return false
    }
    return true
  }

  private mutating func skipBytes(length: Int) throws {
    _ = try reader.bytes(try reader.length(bytes: length))
    stack.append(.inert)
  }

  private mutating func buildContainer(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "}"): stack.append(.container(try heap.make(.dictionary)))
    case UInt8(ascii: "]"): stack.append(.container(try heap.make(.list)))
    case UInt8(ascii: ")"): stack.append(.tuple(try heap.make(.tuple)))
    case UInt8(ascii: "t"): stack.append(.tuple(try heap.make(.tuple, items: try popToMark())))
    case 0x85, 0x86, 0x87:
      stack.append(.tuple(try heap.make(.tuple, items: try pop(Int(code) - 0x84))))
    case UInt8(ascii: "l"):
      stack.append(.container(try heap.make(.list, items: try popToMark())))
    case UInt8(ascii: "d"):
      let values = try popToMark()
      stack.append(.container(try heap.make(.dictionary)))
      try insert(values)
    case 0x8F: stack.append(.inert)
    case 0x91:
      _ = try popToMark()
      stack.append(.inert)
    case UInt8(ascii: "a"): try append([try pop()])
    case UInt8(ascii: "e"), 0x90: try append(try popToMark())
    case UInt8(ascii: "s"): try insert(try pop(2))
    case UInt8(ascii: "u"): try insert(try popToMark())
    default: return false
    }
    return true
  }

  private mutating func useMemo(_ code: UInt8) throws -> Bool {
    switch code {
    case UInt8(ascii: "q"): try keep(Int(try reader.byte()))
    case UInt8(ascii: "r"): try keep(Int(try reader.unsigned(bytes: 4)))
    case 0x94: try keep(memo.count)
    case UInt8(ascii: "h"): stack.append(try recall(Int(try reader.byte())))
    case UInt8(ascii: "j"): stack.append(try recall(Int(try reader.unsigned(bytes: 4))))
    default: return false
    }
    return true
  }

  /// Puts the top value into the memo, where picklers number from zero on.
  private mutating func keep(_ index: Int) throws {
    try heap.charge(max(0, index + 1 - memo.count))
    while memo.count <= index { memo.append(nil) }
    memo[index] = try top()
  }

  private func recall(_ index: Int) throws -> PickleValue {
    guard memo.indices.contains(index), let value = memo[index] else {
      throw PickleFault("recalls value \(index), which it never kept")
    }
    return value
  }

  private mutating func pushGlobal(module: String, name: String) throws {
    guard let global = PickleGlobal(module: module, name: name) else {
      let asked = "\(module).\(name)".prefix(120).filter { !$0.isNewline }
      let hint =
        isWholeModule(module)
        ? "; for a whole model, save its state_dict() instead: torch.save(model.state_dict(), ...)"
        : ""
      throw PickleFault("asks for \(asked), which is neither tensor nor container: refused\(hint)")
    }
    stack.append(.global(global))
  }

  /// Whether the class just named looks like that of a pickled object with weights inside.
  private func isWholeModule(_ module: String) -> Bool {
    if case .string("module")? = stack.last { return true }
    if module.hasPrefix("torch.nn") { return true }
    // An object without arguments: the class, kept in the memo, an empty tuple, its making.
    var next = reader.upcoming(8)
    switch next.first {
    case UInt8(ascii: "q"): next = next.dropFirst(2)
    case UInt8(ascii: "r"): next = next.dropFirst(5)
    case 0x94: next = next.dropFirst()
    default: break
    }
    return next.starts(with: [UInt8(ascii: ")"), 0x81])
  }

  /// `name(arguments)`: builds the value that the allowed name stands for.
  private mutating func reduce() throws {
    guard case .tuple(let tuple) = try pop() else {
      throw PickleFault("calls a name without a tuple of arguments: refused")
    }
    stack.append(try PickleCall(heap: heap).value(of: try pop(), tuple.items))
  }

  /// Attributes given to an object (`_metadata` of a state dict) carry nothing that weights need,
  /// but PyTorch before 0.2 fills its tensors in this way.
  private mutating func build() throws {
    let state = try pop()
    switch try top() {
    case .container, .inert, .tensor, .unreadable: break
    case .global(let made) where made == .tensorClass || made == .wrappedTensor:
      guard case .tuple(let tuple) = state else {
        throw PickleFault("has a tensor whose storage, shape or strides make no sense")
      }
      _ = try pop()
      let isClass = made == .tensorClass
      stack.append(
        try PickleCall(heap: heap).value(
          of: .global(isClass ? .tensor : .wrappedTensor), tuple.items))
    default: throw PickleFault("sets attributes of something that is no container: refused")
    }
  }

  /// `('storage', class, key, location, count)`, PyTorch's reference to raw elements; forms from
  /// before 0.4 add a view of it, `(key, offset, count)`.
  private mutating func pushPersistent() throws {
    guard case .tuple(let tuple) = try pop() else {
      throw PickleFault("refers to something that is no storage: refused")
    }
    let parts = tuple.items
    guard parts.count >= 5, case .string("storage") = parts[0],
      case .global(.storage(let element)) = parts[1], case .string(let key) = parts[2],
      case .int(let count) = parts[4], count >= 0
    else { throw PickleFault("refers to something that is no storage: refused") }
    try heap.charge(8)
    guard elements.updateValue(element, forKey: key) ?? element == element else {
      throw PickleFault("refers to storage '\(key)' under two element types")
    }
    var storage = try PickleStorage(key: key, element: element, count: count)
    if parts.count > 5, case .tuple(let view) = parts[5] {
      guard view.items.count == 3, case .int(let offset) = view.items[1],
        case .int(let part) = view.items[2]
      else { throw PickleFault("has a view of a storage that makes no sense") }
      storage = try PickleStorage(key: key, element: element, offset: offset, count: part)
    }
    stack.append(.storage(storage))
  }

  private mutating func append(_ values: [PickleValue]) throws {
    if case .inert = try top() { return }
    guard case .container(let list) = try top(), list.kind == .list else {
      throw PickleFault("appends to something that is no list")
    }
    try heap.charge(values.count)
    list.items += values
  }

  private mutating func insert(_ values: [PickleValue]) throws {
    if case .inert = try top() { return }
    guard case .container(let dictionary) = try top(), dictionary.kind == .dictionary,
      values.count % 2 == 0
    else { throw PickleFault("sets an item of something that is no dictionary") }
    try heap.charge(values.count)
    for index in stride(from: 0, to: values.count, by: 2) {
      dictionary.pairs.append((values[index], values[index + 1]))
    }
  }

  private func top() throws -> PickleValue {
    guard let value = stack.last else { throw PickleFault("takes a value from an empty stack") }
    return value
  }

  private mutating func pop() throws -> PickleValue {
    guard let value = stack.popLast() else {
      throw PickleFault("takes a value from an empty stack")
    }
    return value
  }

  private mutating func pop(_ count: Int) throws -> [PickleValue] {
    guard stack.count >= count else { throw PickleFault("takes a value from an empty stack") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws -> [PickleValue] {
    guard let index = stack.lastIndex(where: { if case .mark = $0 { true } else { false } }) else {
      throw PickleFault("closes a group that it never opened")
    }
    defer { stack.removeSubrange(index...) }
    return Array(stack[(index + 1)...])
  }
}
