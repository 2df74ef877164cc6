import Kernels

/// Channel attention and its gradients by the operators' definitions.
struct AttentionReference {
  private let inputs: [ExactTensor]
  private let outputs: [ExactTensor]

  /// Norms of the rows of q and k: `[n, 2 c]`.
  var norms: [Double] { outputs[3].values }
  /// Cosines and their softmax, `[n, heads, m, m]`.
  var cosines: [Double] { outputs[2].values }
  var weights: [Double] { outputs[1].values }
  /// The output `[n, c, h, w]`.
  var y: [Double] { outputs[0].values }

  private var heads: Int { inputs[1].shape.c }

  init(_ qkv: [Double], _ shape: Shape, _ temperature: [Double]) {
    inputs = [ExactTensor(shape, qkv), ExactTensor(.vector(temperature.count), temperature)]
    outputs = ChannelAttention(heads: temperature.count).definition(inputs)
  }

  /// The gradients of `Σ gy y`.
  func gradient(_ gy: [Double]) -> (qkv: [Double], temperature: [Double]) {
    let gradients = ChannelAttentionBackward(heads: heads).definition(
      inputs + outputs.dropFirst() + [ExactTensor(outputs[0].shape, gy)])
    return (gradients[0].values, gradients[1].values)
  }
}
