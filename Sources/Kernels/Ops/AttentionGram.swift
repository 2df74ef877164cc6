import CLBackend

/// The sums over pixels that channel attention needs, added up band by band.
///
/// Per head of `m` channels, in a fixed number of slices of the pixels: the products `q_i . k_j`
/// `[m][m]`, then the squares `|q_i|^2` `[m]` and `|k_j|^2` `[m]`. Inputs: `qk` `[1, 2 c, h, w]`,
/// then the sums so far if there are any. Output: the sums as `HeadProducts` lays them out,
/// `[1, 1, 1, count]`; they may take the place of the sums so far.
///
/// It is the first half of channel attention where that runs band by band: a Gram matrix is a sum
/// over pixels, to which every band adds its own.
package struct AttentionGram: CatalogOp, TerminalOp, HalfStoringOp {
  public static let name = "AttentionGram"
  public static let section = "ChannelAttention"
  private let heads: Int
  private let slices: Int

  /// Sums of `heads` heads in `slices` slices.
  public init(heads: Int, slices: Int) { (self.heads, self.slices) = (heads, slices) }

  public static var cases: [OpCase] {
    [(1, Shape(1, 8, 13, 17), 3), (2, Shape(1, 16, 1, 5), 4), (2, Shape(1, 192, 16, 16), 2)].flatMap
    {
      heads, qk, slices in
      let op = AttentionGram(heads: heads, slices: slices)
      return [OpCase(op, [qk]), OpCase(op, [qk, op.outputShapes([qk])[0]])]
    }
  }

  package var activations: Activations { Activations(into: []) }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    let qk = inputs[0]
    precondition(
      qk.n == 1 && qk.c % (2 * heads) == 0, "AttentionGram: \(inputs) with \(heads) heads")
    let sums = Shape(1, 1, 1, products(qk).scratch)
    precondition(
      inputs.dropFirst().allSatisfy { $0 == sums }, "AttentionGram: \(inputs), sums \(sums)")
    return [sums]
  }

  public func multiplyAdds(_ inputs: [Shape]) -> Int {
    let c = inputs[0].c / 2
    return c * (c / heads) * inputs[0].plane
  }

  private func products(_ qk: Shape) -> HeadProducts {
    HeadProducts(
      m: qk.c / 2 / heads, heads: heads, images: 1, pixels: qk.plane, slices: slices)
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    let qk = inputs[0]
    products(qk.shape).add(
      qk, 0, qk, heads, squares: true, to: inputs.count == 2 ? UnsafePointer(inputs[1].base) : nil,
      into: outputs[0].base)
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    let qk = inputs[0]
    return [
      try products(qk.shape).partialSums(
        qk, 0, qk, 1, squares: true, to: inputs.count == 2 ? inputs[1] : nil, into: outputs[0],
        on: backend)
    ]
  }
}

extension AttentionGram: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    let qk = inputs[0]
    let (layout, pixels) = (products(qk.shape), qk.shape.plane)
    let (m, padding) = (layout.m, layout.count - layout.m * (layout.m + 2))
    let sums = (0..<heads * slices).flatMap { index -> [Double] in
      let (q, k, slice) = (index / slices * m, (heads + index / slices) * m, index % slices)
      let first = min(slice * layout.length, pixels)
      /// The sum over the slice's pixels of the product of two channels.
      func dot(_ a: Int, _ b: Int) -> Double {
        (first..<min(first + layout.length, pixels)).reduce(0) {
          $0 + qk.values[a * pixels + $1] * qk.values[b * pixels + $1]
        }
      }
      let products = (0..<m * m).map { dot(q + $0 / m, k + $0 % m) }
      let squares = [q, k].flatMap { row in (row..<row + m).map { dot($0, $0) } }
      return products + squares + [Double](repeating: 0, count: padding)
    }
    let shape = Shape(1, 1, 1, sums.count)
    guard inputs.count == 2 else { return [ExactTensor(shape, sums)] }
    return [ExactTensor(shape, zip(sums, inputs[1].values).map { $0 + $1 })]
  }
}
