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
  case storage(PickleStorage)
  case tensor(PickleTensor)
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

/// Owns every container of one pickle and empties them one by one at the end: releasing a million nested
/// tuples from the outermost inwards would overflow the call stack.
final class PickleHeap {
  private var containers: [PickleContainer] = []
  private let limit: Int

  /// A heap for a pickle of `bytes` bytes: real weights make one container in 30 bytes.
  init(bytes: Int) { limit = 1000 + bytes / 8 }

  deinit {
    for container in containers { (container.items, container.pairs) = ([], []) }
  }

  func make(_ kind: PickleContainer.Kind, items: [PickleValue] = []) throws -> PickleContainer {
    guard containers.count < limit else {
      throw PickleFault("makes more containers than weights need: refused")
    }
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
