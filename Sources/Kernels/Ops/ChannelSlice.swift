import CLBackend

/// Takes a range of channels: `y = x[:, offset ..< offset + count]`.
///
/// Input: `x: [n, c, h, w]`. Output: `[n, count, h, w]`.
///
/// The gradient puts `gy` back between zeros: `ChannelSliceBackward`.
///
/// Operators that read a part of a tensor do so through an offset instead; this is for the few that
/// cannot.
package struct ChannelSlice: CatalogOp, HalfStoringOp {
  public static let name = "ChannelSlice"
  public static var cases: [OpCase] {
    [
      OpCase(ChannelSlice(offset: 0, count: 1), [Shape(1, 1, 1, 1)]),
      OpCase(ChannelSlice(offset: 1, count: 3), [Shape(2, 5, 13, 17)]),
      OpCase(ChannelSlice(offset: 4, count: 4), [Shape(2, 8, 16, 16)]),
      OpCase(ChannelSlice(offset: 2, count: 1), [Shape(1, 3, 130, 150)]),
    ]
  }

  /// The first channel taken.
  public let offset: Int
  /// How many channels are taken.
  public let count: Int

  /// Takes `count` channels from `offset` on.
  public init(offset: Int, count: Int) {
    precondition(offset >= 0 && count > 0, "ChannelSlice: \(count) channels from \(offset)")
    (self.offset, self.count) = (offset, count)
  }

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 1 && offset + count <= inputs[0].c,
      "ChannelSlice: \(inputs) has no \(count) channels from \(offset)")
    return [inputs[0].channels(count)]
  }

  public func gradients(of node: Node, _ outputGradients: [Tensor?]) -> [Tensor?] {
    guard let gy = outputGradients[0] else { return [nil] }
    let backward = ChannelSliceBackward(offset: offset, channels: node.inputs[0].shape.c)
    return gy.graph.apply(backward, [gy])
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, y) = (inputs[0], outputs[0])
    parallelFor(y.shape.n * count) { plane in
      let (n, c) = (plane / count, plane % count)
      y.plane(n, c).update(from: x.plane(n, offset + c), count: y.shape.plane)
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = outputs[0].shape
    let grid = ElementGrid(shape, backend.configuration)
    return [
      try backend.launch(
        Self.section, "channel_slice",
        [.tensor(inputs[0]), .tensor(outputs[0])] + grid.arguments + [.int(offset)],
        global: grid.global, local: grid.local,
        defines: HalfDefines.of(inputs[0], into: outputs[0]))
    ]
  }
}

extension ChannelSlice: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    [ExactTensor(inputs[0].shape.channels(count)) { inputs[0][$0, offset + $1, $2, $3] }]
  }
}

/// The gradient of `ChannelSlice`: `gy` at its channels, zero elsewhere.
///
/// Input: `gy: [n, count, h, w]`. Output: `[n, channels, h, w]`.
///
/// Every element is written once, the zeros too: memory of a plan holds whatever was there before.
package struct ChannelSliceBackward: TerminalOp, CatalogOp, HalfStoringOp {
  public static let name = "ChannelSliceBackward"
  public static let section = "ChannelSlice"
  public static var cases: [OpCase] {
    ChannelSlice.cases.compactMap { check in
      guard let slice = check.op as? ChannelSlice else { return nil }
      let x = check.inputs[0]
      return OpCase(Self(offset: slice.offset, channels: x.c), [x.channels(slice.count)])
    }
  }

  /// The first channel that `gy` belongs to.
  public let offset: Int
  /// Channels of the result.
  public let channels: Int

  /// Puts `gy` at `offset` among `channels` channels.
  public init(offset: Int, channels: Int) {
    precondition(offset >= 0, "ChannelSliceBackward: offset \(offset)")
    (self.offset, self.channels) = (offset, channels)
  }

  package var activations: Activations { Activations() }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 1 && offset + inputs[0].c <= channels,
      "ChannelSliceBackward: \(inputs) at \(offset) exceeds \(channels) channels")
    return [inputs[0].channels(channels)]
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (gy, gx) = (inputs[0], outputs[0])
    parallelFor(gx.shape.n * channels) { plane in
      let (n, c) = (plane / channels, plane % channels - offset)
      let target = gx.base + plane * gx.planeStride
      if (0..<gy.shape.c).contains(c) {
        target.update(from: gy.plane(n, c), count: gx.shape.plane)
      } else {
        target.update(repeating: 0, count: gx.shape.plane)
      }
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let shape = outputs[0].shape
    let grid = ElementGrid(shape, backend.configuration)
    return [
      try backend.launch(
        Self.section, "channel_slice_backward",
        [.tensor(inputs[0]), .tensor(outputs[0])] + grid.arguments
          + [.int(offset), .int(inputs[0].shape.c)], global: grid.global, local: grid.local,
        defines: HalfDefines.of(inputs[0], into: outputs[0]))
    ]
  }
}

extension ChannelSliceBackward: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let gy = inputs[0]
    return [
      ExactTensor(gy.shape.channels(channels)) { n, c, i, j in
        (0..<gy.shape.c).contains(c - offset) ? gy[n, c - offset, i, j] : 0
      }
    ]
  }
}

extension Graph {
  /// The channels `offset ..< offset + count` of `x: [n, c, h, w]`: `[n, count, h, w]`.
  public func slice(_ x: Tensor, offset: Int, count: Int) -> Tensor {
    apply(ChannelSlice(offset: offset, count: count), [x])[0]
  }
}
