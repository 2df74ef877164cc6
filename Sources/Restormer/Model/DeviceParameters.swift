import Kernels

/// A model's parameters in the memory of a backend: one contiguous block, shared by every plan.
public final class DeviceParameters<B: Backend> {
  /// The network.
  public let model: RestormerModel
  /// Where the block lies: `1 x 1 x 1 x parameterExtent`.
  public let block: TensorView<B.Storage>

  /// Allocates the block on `backend` and writes `values` into it.
  /// - Throws: the backend's error when memory does not suffice.
  public init(_ model: RestormerModel, values: [Float], on backend: B) throws {
    self.model = model
    let storage = try backend.makeStorage(count: model.parameterExtent)
    block = TensorView(
      storage, offset: 0, shape: Shape(1, 1, 1, model.parameterExtent))
    try backend.write(values, to: block)
  }

  /// Where each parameter lies, for binding the placeholders of a recording.
  public func bindings(for recording: RestormerModel.Recording) -> [Tensor: TensorView<B.Storage>] {
    Dictionary(
      uniqueKeysWithValues: zip(recording.parameters, model.parameters).map { tensor, spec in
        (tensor, TensorView(block.storage, offset: spec.offset, shape: spec.shape))
      })
  }
}
