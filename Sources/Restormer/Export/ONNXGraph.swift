/// An ONNX graph under construction; field numbers are those of onnx.proto.
struct ONNXGraph {
  /// A value of the graph by its name.
  typealias Value = String

  private(set) var nodes: [UInt8] = []
  private(set) var initializers: [UInt8] = []
  /// Elements of tensors that lie in a file of their own.
  private(set) var external: [UInt8] = []
  /// The name of that file, or nil where everything lies in the graph.
  let externalFile: String?
  private var count = 0
  private var constants: [[Int64]: Value] = [:]

  init(externalFile: String?) { self.externalFile = externalFile }

  /// Applies an operator and gives its outputs.
  mutating func apply(
    _ operation: String, _ inputs: [Value], _ attributes: [Attribute] = [], outputs: Int = 1
  ) -> [Value] {
    count += 1
    let name = "\(operation)_\(count)"
    let results = (0..<outputs).map { outputs == 1 ? name : "\(name)_\($0)" }
    append(operation, name, inputs, results, attributes)
    return results
  }

  /// Gives `value` the name of the graph's output.
  mutating func finish(_ value: Value, as name: String) {
    append("Identity", "result", [value], [name], [])
  }

  private mutating func append(
    _ operation: String, _ name: String, _ inputs: [Value], _ outputs: [Value],
    _ attributes: [Attribute]
  ) {
    var node: [UInt8] = []
    for input in inputs { node += Message().string(1, input).bytes }
    for output in outputs { node += Message().string(2, output).bytes }
    node += Message().string(3, name).string(4, operation).bytes
    for attribute in attributes { node += Message().message(5, attribute.message).bytes }
    nodes += Message().blob(1, node).bytes
  }

  /// Learned numbers.
  mutating func parameter(_ name: String, _ shape: [Int], _ values: [Float]) -> Value {
    let raw = values.flatMap { value in
      withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    }
    var tensor = Self.tensor(name, shape, type: 1)
    if let externalFile {
      let place = [
        "location": externalFile, "offset": "\(external.count)", "length": "\(raw.count)",
      ]
      for (key, value) in place.sorted(by: { $0.key > $1.key }) {
        tensor += Message().message(13, Message().string(1, key).string(2, value)).bytes
      }
      tensor += Message().integer(14, 1).bytes
      external += raw
    } else {
      tensor += Message().blob(9, raw).bytes
    }
    initializers += Message().blob(5, tensor).bytes
    return name
  }

  /// A number.
  mutating func scalar(_ value: Float) -> Value {
    count += 1
    let raw = withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
    return constant("scalar_\(count)", [], type: 1, raw)
  }

  /// A list of whole numbers, such as a shape.
  mutating func integers(_ values: [Int64]) -> Value {
    if let known = constants[values] { return known }
    count += 1
    let raw = values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    let name = constant("integers_\(count)", [values.count], type: 7, raw)
    constants[values] = name
    return name
  }

  private mutating func constant(
    _ name: String, _ shape: [Int], type: Int, _ raw: [UInt8]
  ) -> Value {
    initializers +=
      Message().blob(5, Self.tensor(name, shape, type: type) + Message().blob(9, raw).bytes).bytes
    return name
  }

  private static func tensor(_ name: String, _ shape: [Int], type: Int) -> [UInt8] {
    shape.flatMap { Message().integer(1, $0).bytes }
      + Message().integer(2, type).string(8, name).bytes
  }

  /// A setting of an operator.
  struct Attribute {
    let message: Message

    static func integer(_ name: String, _ value: Int) -> Attribute {
      Attribute(message: Message().string(1, name).integer(3, value).integer(20, 2))
    }

    static func text(_ name: String, _ value: String) -> Attribute {
      Attribute(message: Message().string(1, name).string(4, value).integer(20, 3))
    }

    static func integers(_ name: String, _ values: [Int]) -> Attribute {
      var message = Message().string(1, name)
      for value in values { message = message.integer(8, value) }
      return Attribute(message: message.integer(20, 7))
    }
  }
}
