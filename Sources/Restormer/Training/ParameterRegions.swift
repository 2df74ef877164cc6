import Kernels

/// Everything that has one number per parameter, each a contiguous block in a backend's memory.
package final class ParameterRegions<B: Backend> {
  let parameters: DeviceParameters<B>
  let gradients: TensorView<B.Storage>
  let firstMoment: TensorView<B.Storage>
  let secondMoment: TensorView<B.Storage>
  let average: TensorView<B.Storage>?

  /// Allocates the blocks; moments and gradients start at zero, the average at the parameters.
  /// - Parameter moments: the parameters whose moments are kept.
  /// - Throws: the backend's error when memory does not suffice.
  init(
    _ model: RestormerModel, values: [Float], moments: Range<Int>, averaged: Bool, on backend: B
  ) throws {
    parameters = try DeviceParameters(model, values: values, on: backend)
    let extent = parameters.block.shape.count
    func block(_ count: Int) throws -> TensorView<B.Storage> {
      let shape = Shape(1, 1, 1, max(1, count))
      let view = TensorView(
        try backend.makeStorage(count: shape.count), offset: 0, shape: shape)
      try backend.fill(view, with: 0)
      return view
    }
    gradients = try block(extent)
    firstMoment = try block(moments.count)
    secondMoment = try block(moments.count)
    average = averaged ? try block(extent) : nil
    if let average { try backend.write(values, to: average) }
  }

  /// The place of each parameter's gradient.
  func gradientView(_ spec: ParameterSpec) -> TensorView<B.Storage> {
    TensorView(gradients.storage, offset: spec.offset, shape: spec.shape)
  }

  /// All blocks of a training run.
  static func need(
    _ model: RestormerModel, averaged: Bool, accumulating: Bool, slices: Int
  ) -> MemoryNeed {
    let blocks = 2 + (averaged ? 1 : 0) + (accumulating ? 1 : 0)
    let moments = OptimizerSlices(extent: model.parameterExtent, count: slices).length
    return MemoryNeed(
      storages: [Int](repeating: model.parameterExtent, count: blocks) + [moments, moments])
  }
}
