import Foundation
import ProtocolBuffers
import SwiftProtobuf

/// An ONNX graph under construction.
struct ONNXGraph {
  /// A value of the graph by its name.
  typealias Value = String

  /// What there is of it so far.
  private(set) var message = ONNXGraphProto.with { $0.name = "restormer" }
  /// Elements of tensors that lie in a file of their own.
  private(set) var external: [Float] = []
  /// The name of that file, or nil where everything lies in the graph.
  let externalFile: String?
  private var count = 0
  private var constants: [[Int64]: Value] = [:]

  init(externalFile: String?) { self.externalFile = externalFile }

  /// Applies an operator and gives its outputs.
  mutating func apply(
    _ operation: String, _ inputs: [Value], _ attributes: [ONNXAttributeProto] = [],
    outputs: Int = 1
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
    _ attributes: [ONNXAttributeProto]
  ) {
    message.node.append(
      .with {
        $0.opType = operation
        $0.name = name
        $0.input = inputs
        $0.output = outputs
        $0.attribute = attributes
      })
  }

  /// Learned numbers.
  mutating func parameter(
    _ name: String, _ shape: [Int], _ values: ArraySlice<Float>
  ) -> Value {
    guard let externalFile else { return constant(name, shape, .float, values) }
    let size = MemoryLayout<Float>.size
    var tensor = ONNXTensorProto(name, shape, .float)
    tensor.dataLocation = .external
    tensor.externalData = [
      ONNXStringStringEntryProto("offset", "\(external.count * size)"),
      ONNXStringStringEntryProto("location", externalFile),
      ONNXStringStringEntryProto("length", "\(values.count * size)"),
    ]
    message.initializer.append(tensor)
    external += values
    return name
  }

  /// A number.
  mutating func scalar(_ value: Float) -> Value {
    count += 1
    return constant("scalar_\(count)", [], .float, [value])
  }

  /// A list of whole numbers, such as a shape.
  mutating func integers(_ values: [Int64]) -> Value {
    if let known = constants[values] { return known }
    count += 1
    let name = constant("integers_\(count)", [values.count], .int64, values[...])
    constants[values] = name
    return name
  }

  private mutating func constant<Element: BitwiseCopyable>(
    _ name: String, _ shape: [Int], _ type: ONNXTensorProto.DataType,
    _ values: ArraySlice<Element>
  ) -> Value {
    var tensor = ONNXTensorProto(name, shape, type)
    tensor.rawData = values.withUnsafeBytes { Data($0) }
    message.initializer.append(tensor)
    return name
  }
}

extension ONNXTensorProto {
  fileprivate init(_ name: String, _ shape: [Int], _ type: DataType) {
    self.init()
    self.name = name
    dims = shape.map(Int64.init)
    dataType = Int32(type.rawValue)
  }
}

extension ONNXStringStringEntryProto {
  init(_ key: String, _ value: String) {
    self.init()
    (self.key, self.value) = (key, value)
  }
}

/// Settings of an operator.
extension ONNXAttributeProto {
  static func integer(_ name: String, _ value: Int) -> Self {
    .with { ($0.name, $0.type, $0.i) = (name, .int, Int64(value)) }
  }

  static func text(_ name: String, _ value: String) -> Self {
    .with { ($0.name, $0.type, $0.s) = (name, .string, Data(value.utf8)) }
  }

  static func integers(_ name: String, _ values: [Int]) -> Self {
    .with { ($0.name, $0.type, $0.ints) = (name, .ints, values.map(Int64.init)) }
  }
}
