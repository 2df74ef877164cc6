import Foundation

/// A value that a weights pickle can hold. Nothing else exists for the interpreter.
enum PickleValue {
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  case string(String)
  case tuple(PickleContainer)
  case container(PickleContainer)
  case global(PickleGlobal)
  // Behind a reference: a hostile pickle makes many values, so each must be small.
  indirect case storage(PickleStorage)
  indirect case tensor(PickleTensor)
  /// A tensor that is no plain array, such as a quantized one.
  case unreadable(String)
  /// Anything that weights do not need.
  case inert
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

/// Owns every container of one file and empties them one by one at the end: releasing a million
/// nested tuples from the outermost inwards would overflow the call stack.
///
/// It also keeps account: a few bytes of a hostile pickle can ask for many values.
final class PickleHeap {
  private var containers: [PickleContainer] = []
  private var room: Int

  /// A heap for a file of `bytes` bytes: some megabytes, and never much more than the file itself.
  /// Weights make about sixty values for each tensor.
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

/// A reference to raw elements elsewhere in the file.
struct PickleStorage {
  let key: String
  let element: PickleElement
  /// Where its bytes begin, counted from the beginning of what lies under `key`.
  let start: Int
  let bytes: Int

  /// - Throws: `PickleFault` for a size that cannot be.
  init(key: String, element: PickleElement, offset: Int = 0, count: Int) throws {
    let (start, overflowA) = offset.multipliedReportingOverflow(by: element.size)
    let (bytes, overflowB) = count.multipliedReportingOverflow(by: element.size)
    let (_, overflowC) = start.addingReportingOverflow(bytes)
    guard offset >= 0, count >= 0, !overflowA, !overflowB, !overflowC else {
      throw PickleFault("has a storage of impossible size")
    }
    (self.key, self.element, self.start, self.bytes) = (key, element, start, bytes)
  }
}

/// A strided view of a storage, counted in elements.
struct PickleTensor {
  let storage: PickleStorage
  let element: PickleElement
  let offset: Int
  let shape: [Int]
  let strides: [Int]
}
