import CLBackend

/// Adds up the slices of several sums at once: `y_k[i] = Σ_s p_k[s, i]`, in order.
///
/// Inputs: partial sums `p_k` `[1, 1, slices, count]`, at most eight. Outputs: their sums, of given
/// shapes of `count` elements.
///
/// Adding the slices of one weight gradient up is a short launch; a training step has dozens of
/// them, which are gathered eight at a time.
package struct SliceSums: TerminalOp, CatalogOp {
  public static let name = "SliceSums"
  public static var cases: [OpCase] {
    [
      [(Shape(1, 1, 1, 1), 1)], [(Shape(7, 5, 1, 1), 3), (.vector(9), 1), (Shape(2, 1, 3, 3), 40)],
      (1...limit).map { (Shape(3, $0, 1, 1), $0) }, [(Shape(40, 50, 1, 1), 2)],
    ].map { parts in
      OpCase(SliceSums(parts.map(\.0)), parts.map { Shape(1, 1, $1, $0.count) })
    }
  }

  /// The most sums that one launch adds up.
  static let limit = 8
  private let shapes: [Shape]

  /// Sums of the given shapes.
  public init(_ shapes: [Shape]) { self.shapes = shapes }

  public func outputShapes(_ inputs: [Shape]) -> [Shape] {
    precondition(
      (1...Self.limit).contains(inputs.count) && inputs.count == shapes.count
        && zip(inputs, shapes).allSatisfy { $0 == Shape(1, 1, $0.h, $1.count) },
      "SliceSums: \(inputs) for \(shapes)")
    return shapes
  }

  public func evaluate(_ inputs: [CPUTensor], into outputs: [CPUTensor], scratch: [CPUTensor]) {
    for (partial, y) in zip(inputs, outputs) {
      sumSlices(partial.base, slices: partial.shape.h, count: partial.shape.w, into: y.base)
    }
  }

  public func launches(
    _ inputs: [DeviceTensor], into outputs: [DeviceTensor], scratch: [DeviceTensor],
    on backend: OpenCLBackend
  ) throws -> [Launch] {
    // Parts that are left over are empty.
    let parts = (0..<Self.limit).flatMap { part -> [KernelArgument] in
      let index = min(part, inputs.count - 1)
      let (partial, y) = (inputs[index], outputs[index])
      return [
        .region(partial), .region(y), .int(part < inputs.count ? partial.shape.w : 0),
        .int(partial.shape.h),
      ]
    }
    let widest = inputs.map(\.shape.w).max() ?? 1
    return [
      try backend.launch(
        Self.name, "slice_sums", parts,
        global: [ceilingQuotient(widest, backend.configuration.elementWidth), inputs.count])
    ]
  }
}

extension SliceSums: DefinedOp {
  package func definition(_ inputs: [ExactTensor]) -> [ExactTensor] {
    zip(inputs, shapes).map { partial, shape in
      ExactTensor(
        shape,
        (0..<shape.count).map { i in
          (0..<partial.shape.h).reduce(0) { $0 + partial[0, 0, $1, i] }
        })
    }
  }
}
