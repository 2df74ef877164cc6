/// A 3x3 convolution whose result is shuffled to twice the size, in bands of rows:
/// `y = pixelShuffle(conv3x3(x))`.
///
/// The convolution's result, as large as `y`, exists a band at a time. Inputs: `x` `[n, c, h, w]`,
/// weight `[4 k, c, 3, 3]`. Output: `[n, k, 2 h, 2 w]`.
///
/// The convolution's result is as large as that of the shuffle: in bands it never leaves the cache.
package struct UpsampleConv: CompositeOp {
  public static let name = "UpsampleConv"
  public static let section = "PixelShuffle"
  public static let tuning = TuningSpace.bands
  package var storesHalf = false

  /// The operator; it has no attributes.
  public init() {}

  public static var cases: [OpCase] {
    [(1, 2, 1, 1, 1), (2, 3, 2, 5, 7), (1, 4, 1, 16, 16), (1, 2, 8, 150, 130)].map {
      OpCase(Self(), [Shape($0.0, $0.1, $0.3, $0.4), Shape(4 * $0.2, $0.1, 3, 3)])
    }
  }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      inputs.count == 2 && inputs[1].c == inputs[0].c && inputs[1].plane == 9
        && inputs[1].n % 4 == 0, "UpsampleConv: \(inputs)")
    let x = inputs[0]
    return [Shape(x.n, inputs[1].n / 4, 2 * x.h, 2 * x.w)]
  }

  package func composition(_ graph: Graph, _ inputs: [Tensor]) -> Tensor {
    graph.pixelShuffle(graph.conv3x3(inputs[0], weight: inputs[1]))
  }

  /// Rows of a band: neighbouring bands compute two rows twice, so that they are made as tall as 16
  /// MB allow.
  private func bandRows(_ inputs: [Shape], _ sizes: BandSizes) -> Int {
    let budget = (16 << 20) / MemoryLayout<Float>.stride / inputs[1].n / inputs[0].w
    return min(inputs[0].h, max(4, budget, sizes.elements / inputs[1].n / inputs[0].w))
  }

  package func intermediates(_ inputs: [Shape], _ sizes: BandSizes) -> [Shape] {
    let rows = min(inputs[0].h, bandRows(inputs, sizes) + 2)
    return [Shape(1, inputs[1].n, rows, inputs[0].w)]
  }

  package func phases(_ inputs: [Shape], _ sizes: BandSizes) -> [CompositePhase] {
    let x = inputs[0]
    let size = bandRows(inputs, sizes)
    let steps = (0..<x.n).flatMap { image in
      stride(from: 0, to: x.h, by: size).flatMap { first in
        band(image..<image + 1, rows: first..<min(x.h, first + size), height: x.h)
      }
    }
    return [.together(steps)]
  }

  /// The convolution of the rows and their neighbours, then the shuffle of the rows.
  private func band(_ image: Range<Int>, rows: Range<Int>, height: Int) -> [CompositeStep] {
    let read = max(0, rows.lowerBound - 1)..<min(height, rows.upperBound + 1)
    let first = rows.lowerBound - read.lowerBound
    let wide = Piece.intermediate(0)
    return [
      CompositeStep(
        Conv3x3(), [.input(0).images(image).rows(read), .input(1)],
        into: wide.rows(0..<read.count)),
      CompositeStep(
        PixelShuffle(), [wide.rows(first..<first + rows.count)],
        into: .output(0).images(image).rows(2 * rows.lowerBound..<2 * rows.upperBound)),
    ]
  }
}
