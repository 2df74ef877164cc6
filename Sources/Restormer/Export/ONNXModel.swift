import Foundation
import ProtocolBuffers
import SwiftProtobuf

extension ModelWeights {
  /// Writes the network as an ONNX model (opset 18), whole or not at all.
  ///
  /// Its input is `input` `[batch, channels, height, width]` with values in [0, 1], height and
  /// width any multiples of 8; its output is `output`, not clamped. Any normalisation is part of
  /// the model.
  ///
  /// - Parameters:
  ///   - path: the file.
  ///   - weightsBeside: put the parameters into `PATH.data` instead of into the file.
  /// - Throws: `FileError`; `ModelError` for parameters of more than 2 GB inside the file.
  public func writeONNX(to path: String, weightsBeside: Bool = false) throws {
    let data = path + ".data"
    guard weightsBeside || values.count < 500_000_000 else {
      throw ModelError("an ONNX file holds no more than 2 GB: leave the weights beside it")
    }
    let name = (data as NSString).lastPathComponent
    let graph = ONNXNetwork(self, externalFile: weightsBeside ? name : nil).graph
    if weightsBeside { try graph.external.withUnsafeBytes { try writeAtomically($0, to: data) } }
    try writeAtomically(message(graph.message).serializedBytes(), to: path)
  }

  private func message(_ graph: ONNXGraphProto) -> ONNXModelProto {
    let configuration = model.configuration
    var message = ONNXModelProto()
    message.irVersion = 8
    message.producerName = "restormer"
    message.docString = configuration.summary
    message.opsetImport = [.with { ($0.domain, $0.version) = ("", 18) }]
    message.metadataProps = metadata.sorted { $0.key < $1.key }.map {
      ONNXStringStringEntryProto($0.key, $0.value)
    }
    message.graph = graph
    message.graph.input = [Self.image("input", configuration.inputChannels)]
    message.graph.output = [Self.image("output", configuration.outputChannels)]
    return message
  }

  /// The description of a value: floats, `[batch, channels, height, width]`.
  private static func image(_ name: String, _ channels: Int) -> ONNXValueInfoProto {
    func open(_ name: String) -> ONNXTensorShapeProto.Dimension { .with { $0.dimParam = name } }
    return .with {
      $0.name = name
      $0.type.tensorType.elemType = Int32(ONNXTensorProto.DataType.float.rawValue)
      $0.type.tensorType.shape.dim = [
        open("batch"), .with { $0.dimValue = Int64(channels) }, open("height"), open("width"),
      ]
    }
  }
}
