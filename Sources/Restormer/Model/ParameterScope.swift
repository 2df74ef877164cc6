import Kernels

/// A learned tensor: official state-dict name, official shape, and where it lies among all
/// parameters.
public struct ParameterSpec: Sendable, Hashable {
  /// The name in the official state dict, such as `encoder_level1.0.attn.qkv.weight`.
  public let name: String
  /// The official shape: `[o, i, kh, kw]`, `[c]` or `[heads, 1, 1]`.
  public let officialShape: [Int]
  /// The first element in the contiguous block of all parameters.
  public let offset: Int

  /// The shape in a graph: four-dimensional weights as they are, vectors as `1 x c x 1 x 1`.
  public var shape: Shape {
    officialShape.count == 4
      ? Shape(officialShape[0], officialShape[1], officialShape[2], officialShape[3])
      : .vector(officialShape[0])
  }

  /// Elements.
  public var count: Int { officialShape.reduce(1, *) }
}

/// Collects the parameters that a model's code asks for while it records a graph.
package final class ParameterRecorder {
  package let graph: Graph
  package private(set) var specs: [ParameterSpec] = []
  package private(set) var tensors: [Tensor] = []
  package private(set) var count = 0

  package init(graph: Graph) { self.graph = graph }

  package func parameter(_ name: String, _ officialShape: [Int]) -> Tensor {
    let spec = ParameterSpec(name: name, officialShape: officialShape, offset: count)
    specs.append(spec)
    // Every parameter starts on a cache line, so that kernels may load whole vectors.
    count += roundUp(spec.count, 64)
    let tensor = graph.placeholder(spec.shape)
    tensors.append(tensor)
    return tensor
  }
}

/// A path in the state dict: `scope["attn"]["qkv"].weight([144, 48, 1, 1])` names
/// `….attn.qkv.weight`.
package struct ParameterScope {
  package let recorder: ParameterRecorder
  package let path: String

  package init(_ recorder: ParameterRecorder, path: String = "") {
    (self.recorder, self.path) = (recorder, path)
  }

  package subscript(_ component: String) -> ParameterScope {
    ParameterScope(recorder, path: path.isEmpty ? component : path + "." + component)
  }

  package subscript(_ index: Int) -> ParameterScope { self[String(index)] }

  package func parameter(_ name: String, _ shape: [Int]) -> Tensor {
    recorder.parameter(self[name].path, shape)
  }

  package func weight(_ shape: [Int]) -> Tensor { parameter("weight", shape) }

  package func bias(_ count: Int, if present: Bool) -> Tensor? {
    present ? parameter("bias", [count]) : nil
  }
}
