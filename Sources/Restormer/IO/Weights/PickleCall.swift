/// What a "call" of an allowed name stands for: a value made of its arguments.
struct PickleCall {
  let heap: PickleHeap

  /// - Throws: `PickleFault` when something else is called or the arguments make no sense.
  func value(of callee: PickleValue, _ arguments: [PickleValue]) throws -> PickleValue {
    // A function made by an inert one, such as a class within a tuple.
    if case .inert = callee { return .inert }
    guard case .global(let global) = callee else {
      throw PickleFault("calls something that is no allowed name: refused")
    }
    switch global {
    case .dictionary: return .container(try dictionary(arguments.first))
    case .defaultDictionary: return .container(try heap.make(.dictionary))
    case .size: return try arguments.first ?? .tuple(heap.make(.tuple))
    case .wrappedTensor: return try wrapped(arguments.first, global)
    case .tensorClass where arguments.isEmpty: return callee
    case .tensor: return .tensor(try tensor(arguments, element: nil))
    case .typedTensor:
      guard arguments.count > 6, case .global(.elementType(let element)) = arguments[6] else {
        throw PickleFault("has a tensor without an element type")
      }
      return .tensor(try tensor(arguments, element: element))
    case .tensorWithAttributes: return try withAttributes(arguments)
    case .unreadable(let kind): return .unreadable(kind)
    case .inert: return .inert
    case .storage, .elementType, .tensorClass: throw PickleFault("calls a class: refused")
    }
  }

  /// A copy of a dictionary, or one of pairs as Python 2 lists them.
  private func dictionary(_ source: PickleValue?) throws -> PickleContainer {
    let made = try heap.make(.dictionary)
    guard case .container(let source)? = source else { return made }
    try heap.charge(2 * source.pairs.count + 2 * source.items.count)
    made.pairs = source.pairs
    for item in source.items {
      switch item {
      case .tuple(let pair) where pair.items.count == 2,
        .container(let pair) where pair.items.count == 2:
        made.pairs.append((pair.items[0], pair.items[1]))
      default: throw PickleFault("makes a dictionary of something that is no list of pairs")
      }
    }
    return made
  }

  private func wrapped(_ inner: PickleValue?, _ global: PickleGlobal) throws -> PickleValue {
    switch inner {
    case .tensor(let tensor)?: return .tensor(tensor)
    case .unreadable(let kind)?: return .unreadable(kind)
    // Made empty, filled by its state.
    case nil: return .global(global)
    default: throw PickleFault("has a parameter without a tensor")
    }
  }

  private func withAttributes(_ arguments: [PickleValue]) throws -> PickleValue {
    guard arguments.count > 2, case .global(let inner) = arguments[0],
      inner != .tensorWithAttributes, case .tuple(let tuple) = arguments[2]
    else { throw PickleFault("has a tensor with attributes that make no sense") }
    return try value(of: arguments[0], tuple.items)
  }

  private func tensor(_ arguments: [PickleValue], element: PickleElement?) throws -> PickleTensor {
    guard arguments.count >= 4, case .storage(let storage) = arguments[0],
      case .int(let offset) = arguments[1], let shape = integers(arguments[2]),
      let strides = integers(arguments[3]), shape.count == strides.count, offset >= 0,
      shape.allSatisfy({ $0 >= 0 }), strides.allSatisfy({ $0 >= 0 })
    else { throw PickleFault("has a tensor whose storage, shape or strides make no sense") }
    let notes = element == nil ? 6 : 7
    if arguments.count > notes, case .container(let notes) = arguments[notes],
      !notes.pairs.isEmpty
    {
      throw PickleFault("has a tensor that is a negated or conjugated view: save a copy of it")
    }
    try heap.charge(8 + shape.count)
    return PickleTensor(
      storage: storage, element: element ?? storage.element, offset: offset, shape: shape,
      strides: strides)
  }

  private func integers(_ value: PickleValue) -> [Int]? {
    guard case .tuple(let tuple) = value else { return nil }
    let items = tuple.items
    let numbers = items.compactMap { if case .int(let number) = $0 { number } else { nil } }
    return numbers.count == items.count ? numbers : nil
  }
}
