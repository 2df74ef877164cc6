import CLBackend
import CMicroKernels

/// The gradients of `DepthwiseGate`. The convolution is computed again: tile by tile on CPU-type
/// devices, where a tile's gradients never leave the cache, whose slopes are stored elsewhere.
///
/// Inputs: `x: [n, 2c, h, w]`, `weight: [2c, 1, 3, 3]`, perhaps `bias: [2c]`, and
/// `gy: [n, c, h, w]`. Outputs: the gradients of all but the last.
///
/// A CPU-type device computes the convolution of a tile again, turns `gy` into its slopes and
/// convolves those, all in cache. A GPU has no such cache: there the slopes are stored, and the
/// gradients of the convolution follow as an operator of their own.
package struct DepthwiseGateGradients: TerminalOp, CatalogOp, HalfScratchOp {
  public static let name = "DepthwiseGateGradients"
  public static let section = "DepthwiseConv"
  public static var cases: [OpCase] {
    DepthwiseGate.cases.map { check in
      let x = check.inputs[0]
      return OpCase(
        Self(bias: check.inputs.count == 3), check.inputs + [x.channels(x.c / 2)], tolerance: 5e-5)
    }
  }

  private let hasBias: Bool
  /// Whether the slopes that a GPU stores are half.
  package var storesHalf = false

  /// The gradients of a gate over a convolution with or without bias.
  public init(bias: Bool) { hasBias = bias }

  package var activations: Activations { Activations([0, hasBias ? 3 : 2]) }

  /// A GPU rounds the slopes too.
  package var halfTolerance: Double { 1e-3 }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == (hasBias ? 4 : 3)
        && DepthwiseGate().outputShapes(Array(inputs.dropLast())) == [inputs[inputs.count - 1]],
      "DepthwiseGateGradients: \(inputs) are not x, weight\(hasBias ? ", bias" : "") and gy")
    return Array(inputs.dropLast())
  }

  /// The convolution once more, and its gradients.
  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    DepthwiseConv().multiplyAdds(inputs) + convolution.multiplyAdds(inputs)
  }

  /// For each task of the CPU backend two planes of the convolution's result and two of its slopes.
  public func cpuScratch(_ inputs: [Shape]) -> [Int] {
    [cpuTasks(inputs[0]) * 4 * paddedPlaneStride(inputs[0])]
  }

  /// Tasks that take channels of the gate in turn.
  private func cpuTasks(_ x: Shape) -> Int { min(x.c / 2, 4 * CPUBackend.coreCount) }

  public func openCLScratch(_ inputs: [Shape], _ configuration: KernelConfiguration) -> [Int] {
    let x = inputs[0]
    guard !configuration.traits.isCPU else { return [tiles(x).scratch] }
    return [slopePrecision.words(x.n * x.c * paddedPlaneStride(x))]
      + convolution.openCLScratch([x, inputs[1], x], configuration)
  }

  /// Channel by channel of the gate: its two planes, their slopes and gradients follow each other
  /// while they are in cache.
  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let (x, gy) = (inputs[0], inputs[inputs.count - 1])
    let (half, tasks) = (gy.shape.c, cpuTasks(x.shape))
    let plane = paddedPlaneStride(x.shape)
    parallelFor(tasks) { task in
      let memory = scratch[0].base + 4 * task * plane
      for c in stride(from: task, to: half, by: tasks) {
        channel(c, inputs, into: outputs, memory: memory, plane: plane)
      }
    }
  }

  /// The gradients of channels `c` and `half + c` of the convolution.
  private func channel(
    _ c: Int, _ inputs: [CPUTensor], into outputs: [CPUTensor],
    memory: UnsafeMutablePointer<Float>, plane: Int
  ) {
    let (x, w, gy) = (inputs[0], inputs[1], inputs[inputs.count - 1])
    let pair = (c, gy.shape.c + c)
    func gradients(_ c: Int) -> DepthwiseChannelGradients {
      DepthwiseChannelGradients(x.shape, taps: w.plane(c, 0))
    }
    func convolve(_ n: Int, _ c: Int, into y: UnsafeMutablePointer<Float>) {
      restormer_depthwise_window(
        x.plane(n, c), x.shape.h, 0, x.shape.h, x.shape.h, x.shape.w, w.plane(c, 0), 0,
        hasBias ? inputs[2].plane(0, c)[0] : 0, y)
    }
    var sums = (gradients(pair.0), gradients(pair.1))
    let slopes = memory + 2 * plane
    for n in 0..<x.shape.n {
      convolve(n, pair.0, into: memory)
      convolve(n, pair.1, into: memory + plane)
      restormer_gelu_gate_backward(
        memory, memory + plane, gy.plane(n, c), slopes, slopes + plane, x.shape.plane)
      sums.0.add(x.plane(n, pair.0), slopes, into: outputs[0].plane(n, pair.0))
      sums.1.add(x.plane(n, pair.1), slopes + plane, into: outputs[0].plane(n, pair.1))
    }
    sums.0.write(to: outputs[1...], channel: pair.0)
    sums.1.write(to: outputs[1...], channel: pair.1)
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    guard backend.traits.isCPU else {
      return try composition(inputs, into: outputs, scratch: scratch, on: backend)
    }
    let (x, gy) = (inputs[0], inputs[inputs.count - 1])
    let tiles = tiles(x.shape)
    return [
      try backend.launch(
        Self.section, "depthwise_gate_backward",
        [
          .tensor(x), .tensor(inputs[1]), .tensor(inputs[hasBias ? 2 : 1]), .tensor(gy),
          .tensor(outputs[0]), .tensor(scratch[0]), .int(hasBias ? 1 : 0),
        ] + tiles.arguments, global: tiles.global, local: [1, 1, 1],
        defines: tiles.defines(backend.configuration)
          .merging(HalfDefines.of(x, into: outputs[0])) { $1 },
        multiplyAdds: multiplyAdds(inputs.map(\.shape))),
      try tiles.total(scratch[0], parts: tiles.count, into: Array(outputs[1...]), on: backend),
    ]
  }

  /// The slopes of the convolution's result, then its gradients.
  private func composition(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let (x, gy) = (inputs[0], inputs[inputs.count - 1])
    let slope = view(scratch[0], x.shape)
    let defines = tiles(x.shape).defines(backend.configuration)
    let grid = BlockGrid(gy.shape, rows: defines["DEPTHWISE_ROWS"] ?? 1, backend.configuration)
    let stored = ["ALIGNED": ProductTile.hasAlignedRows([x, gy, slope]) ? 1 : 0]
      .merging(HalfDefines.of(x, into: slope)) { $1 }
    let slopes = try backend.launch(
      Self.section, "depthwise_gate_slopes",
      [
        .tensor(x), .tensor(inputs[1]), .tensor(inputs[hasBias ? 2 : 1]), .tensor(gy),
        .tensor(slope), .int(hasBias ? 1 : 0), .int(gy.shape.c), .int(gy.shape.h),
        .int(gy.shape.w), .int(gy.shape.n),
      ], global: grid.global, local: grid.local,
      defines: defines.merging(stored) { $1 },
      multiplyAdds: DepthwiseConv().multiplyAdds([x.shape]))
    return [slopes]
      + (try convolution.launches(
        [x, inputs[1], slope], into: outputs, scratch: Array(scratch[1...]), on: backend))
  }

  private var convolution: DepthwiseConvGradients { DepthwiseConvGradients(bias: hasBias) }

  private func tiles(_ x: Shape) -> DepthwiseTiles {
    DepthwiseTiles(x.channels(x.c / 2), planes: 2)
  }

  private var slopePrecision: Precision { storesHalf ? .half : .float }

  private func view(_ memory: DeviceTensor, _ x: Shape) -> DeviceTensor {
    TensorView(
      memory.storage, offset: 4 * memory.offset / slopePrecision.bytes, shape: x,
      planeStride: paddedPlaneStride(x), precision: slopePrecision)
  }
}

extension DepthwiseGateGradients: DefinedOp {
  /// The chain rule through gate and convolution.
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let convolved = DepthwiseConv().definition(inputs.dropLast())[0]
    let slope = GELUGateBackward().definition([convolved, inputs[inputs.count - 1]])[0]
    return convolution.definition([inputs[0], inputs[1], slope])
  }
}
