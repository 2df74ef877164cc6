import Foundation

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
    if weightsBeside { try writeAtomically(graph.external, to: data) }
    try writeAtomically(model(graph), to: path)
  }

  private func model(_ graph: ONNXGraph) -> [UInt8] {
    let configuration = model.configuration
    var body = graph.nodes + Message().string(2, "restormer").bytes + graph.initializers
    body += Message().message(11, Self.image("input", configuration.inputChannels)).bytes
    body += Message().message(12, Self.image("output", configuration.outputChannels)).bytes
    var model = Message().integer(1, 8).string(2, "restormer").bytes
    model += Message().string(6, configuration.summary).bytes
    model += Message().blob(7, body).bytes
    model += Message().message(8, Message().string(1, "").integer(2, 18)).bytes
    for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
      model += Message().message(14, Message().string(1, key).string(2, value)).bytes
    }
    return model
  }

  /// The description of a value: floats, `[batch, channels, height, width]`.
  private static func image(_ name: String, _ channels: Int) -> Message {
    func open(_ name: String) -> Message { Message().string(2, name) }
    let extents = [open("batch"), Message().integer(1, channels), open("height"), open("width")]
    let shape = extents.reduce(Message()) { $0.message(1, $1) }
    let tensor = Message().integer(1, 1).message(2, shape)
    return Message().string(1, name).message(2, Message().message(1, tensor))
  }
}
