/// A tensor in double precision, dense and row-major: what definitions read and give.
package struct ExactTensor {
  /// Its extent.
  package let shape: Shape
  /// Its elements.
  package let values: [Double]

  /// A tensor of given elements.
  package init(_ shape: Shape, _ values: [Double]) {
    precondition(values.count == shape.count, "ExactTensor: \(values.count) for \(shape)")
    (self.shape, self.values) = (shape, values)
  }

  /// A tensor by its formula: image, channel, row and column of each element.
  package init(
    _ shape: Shape, _ element: (_ n: Int, _ c: Int, _ i: Int, _ j: Int) -> Double
  ) {
    self.init(
      shape,
      (0..<shape.count).map { place in
        let (row, plane) = (place / shape.w, place / shape.plane)
        return element(plane / shape.c, plane % shape.c, row % shape.h, place % shape.w)
      })
  }

  /// The element at image, channel, row and column; zero outside of a plane, where convolutions are
  /// padded.
  package subscript(n: Int, c: Int, i: Int, j: Int) -> Double {
    guard i >= 0, i < shape.h, j >= 0, j < shape.w else { return 0 }
    return values[((n * shape.c + c) * shape.h + i) * shape.w + j]
  }

  /// The sum of `term` over all elements.
  static func sum(_ shape: Shape, _ term: (_ n: Int, _ i: Int, _ j: Int) -> Double) -> Double {
    var total = 0.0
    for n in 0..<shape.n {
      for i in 0..<shape.h { for j in 0..<shape.w { total += term(n, i, j) } }
    }
    return total
  }
}

/// An operator that says what it computes: its formula as it reads, in double precision, element by
/// element. It is the contract of the operator, to which tests hold every backend.
package protocol DefinedOp: Op {
  /// The outputs for given inputs.
  func definition(_ inputs: [ExactTensor]) -> [ExactTensor]
}
