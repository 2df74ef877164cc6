import Foundation

/// A value that a weights pickle can hold. Nothing else exists for the interpreter.
enum PickleValue {
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  case string(String)
  case bytes(Data)
  case tuple(PickleContainer)
  case container(PickleContainer)
  case global(PickleGlobal)
  // Behind a reference: a hostile pickle makes many values, so each must be small.
  indirect case storage(PickleStorage)
  indirect case tensor(PickleTensor)
  case mark
}

/// A list, tuple or dictionary: shared by reference, as the memo demands.
final class PickleContainer {
  enum Kind {
    case list
    case tuple
    case dictionary
  }

  let kind: Kind
  var items: [PickleValue] = []
  var pairs: [(key: PickleValue, value: PickleValue)] = []

  init(_ kind: Kind) { self.kind = kind }

  /// The value of a text key.
  subscript(_ key: String) -> PickleValue? {
    pairs.last { if case .string(key) = $0.key { true } else { false } }?.value
  }
}

/// Owns every container of one file and empties them one by one at the end: releasing a million nested
/// tuples from the outermost inwards would overflow the call stack.
///
/// It also keeps account: a few bytes of a hostile pickle can ask for many values.
final class PickleHeap {
  private var containers: [PickleContainer] = []
  private var room: Int

  /// A heap for a file of `bytes` bytes: some megabytes, and never much more than the file itself. Weights make about
  /// sixty values for each tensor.
  init(fileBytes bytes: Int) { room = 400_000 + bytes / MemoryLayout<PickleValue>.stride }

  deinit {
    for container in containers { (container.items, container.pairs) = ([], []) }
  }

  /// Books memory of the size of `values` values.
  func charge(_ values: Int) throws {
    guard values <= room else { throw PickleFault("makes more values than weights need: refused") }
    room -= values
  }

  func make(_ kind: PickleContainer.Kind, items: [PickleValue] = []) throws -> PickleContainer {
    try charge(4 + items.count)
    let container = PickleContainer(kind)
    container.items = items
    containers.append(container)
    return container
  }
}

/// The only names that a pickle may ask for.
enum PickleGlobal: Equatable {
  case orderedDict
  case rebuildTensor
  case rebuildParameter
  case size
  case storage(PickleElement)

  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"), ("collections", "Counter"): self = .orderedDict
    case ("torch._utils", "_rebuild_tensor_v2"): self = .rebuildTensor
    case ("torch._utils", "_rebuild_parameter"): self = .rebuildParameter
    case ("torch", "Size"): self = .size
    case ("torch", _):
      guard name.hasSuffix("Storage"),
        let element = PickleElement(rawValue: String(name.dropLast(7)))
      else { return nil }
      self = .storage(element)
    default: return nil
    }
  }
}

/// Element types of PyTorch's storages, by their class names.
enum PickleElement: String {
  case float = "Float"
  case half = "Half"
  case bfloat16 = "BFloat16"
  case double = "Double"
  case long = "Long"
  case int = "Int"
  case short = "Short"
  case char = "Char"
  case byte = "Byte"
  case bool = "Bool"

  /// Bytes of one element.
  var size: Int {
    switch self {
    case .double, .long: 8
    case .float, .int: 4
    case .half, .bfloat16, .short: 2
    case .char, .byte, .bool: 1
    }
  }

  /// The type under which weights can be read; nil for integers, which are no weights.
  var elementType: ElementType? {
    switch self {
    case .float: .float32
    case .half: .float16
    case .bfloat16: .bfloat16
    case .double: .float64
    case .long: .int64
    case .int, .short, .char, .byte, .bool: nil
    }
  }
}

/// A reference to raw elements elsewhere in the file.
struct PickleStorage {
  let key: String
  let element: PickleElement
  let count: Int
}

/// A strided view of a storage.
struct PickleTensor {
  let storage: PickleStorage
  let offset: Int
  let shape: [Int]
  let strides: [Int]
}
