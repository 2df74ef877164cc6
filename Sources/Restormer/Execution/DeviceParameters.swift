import Kernels

/// A model's parameters in the memory of a backend: one contiguous block, shared by every plan.
package final class DeviceParameters<B: Backend> {
  /// The network.
  package let model: RestormerModel
  /// Where the block lies: `1 x 1 x 1 x parameterExtent`.
  package let block: TensorView<B.Storage>

  /// Parameters that lie in `block` already, in the order of the model's.
  init(_ model: RestormerModel, in block: TensorView<B.Storage>) {
    (self.model, self.block) = (model, block)
  }

  /// Allocates the block on `backend` and writes `values` into it.
  /// - Throws: the backend's error when memory does not suffice.
  package init(_ model: RestormerModel, values: [Float], on backend: B) throws {
    self.model = model
    let storage = try backend.makeStorage(count: model.parameterExtent)
    block = TensorView(
      storage, offset: 0, shape: Shape(1, 1, 1, model.parameterExtent))
    try backend.write(values, to: block)
  }

  /// Where each parameter lies, for binding the placeholders of a recording.
  /// - Throws: `ModelError` naming the parameter that the recording and the model do not share.
  package func bindings(
    for recording: RestormerModel.Recording
  ) throws -> [Tensor: TensorView<B.Storage>] {
    try recording.bindings(to: model) { spec in
      TensorView(block.storage, offset: block.offset + spec.offset, shape: spec.shape)
    }
  }
}

extension RestormerModel.Recording {
  /// What `place` says of every parameter of `model`, by the recording's placeholder of the same
  /// name.
  /// - Parameter tensors: what stands for the parameters, in the order of `specs`; by default their
  ///   placeholders.
  /// - Throws: `ModelError` naming the parameter that the recording and the model do not share.
  func bindings<Place>(
    _ tensors: [Tensor]? = nil, to model: RestormerModel, _ place: (ParameterSpec) -> Place
  ) throws -> [Tensor: Place] {
    let known = Dictionary(uniqueKeysWithValues: model.parameters.map { ($0.name, $0) })
    if let missing = Set(known.keys).subtracting(specs.map(\.name)).min() {
      throw ModelError("the recorded network has no parameter \(missing)")
    }
    return Dictionary(
      uniqueKeysWithValues: try zip(tensors ?? parameters, specs).map { tensor, wanted in
        guard let spec = known[wanted.name] else {
          throw ModelError("the weights have no \(wanted.name), which the network asks for")
        }
        guard spec.officialShape == wanted.officialShape else {
          throw ModelError(
            "\(wanted.name) has shape \(spec.officialShape), the network asks for "
              + "\(wanted.officialShape)")
        }
        return (tensor, place(spec))
      })
  }
}
