/// Shapes of the depthwise cases.
enum DepthwiseShapes {
  static let cases = [
    Shape(1, 1, 1, 1), Shape(1, 2, 1, 9), Shape(1, 2, 9, 1), Shape(2, 3, 2, 2),
    Shape(2, 3, 13, 17), Shape(2, 4, 16, 16), Shape(1, 2, 5, 33), Shape(1, 5, 40, 48),
    Shape(1, 1, 150, 130),
  ]
}

/// Shapes of the loss cases.
let lossShapes = [
  Shape(1, 1, 1, 1), Shape(2, 3, 13, 17), Shape(2, 3, 16, 16), Shape(1, 2, 130, 150),
]

/// Shapes of the cases of both halves of a block: one pixel, one row, one column, batch 2, several bands.
let blockShapes = [
  Shape(1, 2, 1, 1), Shape(1, 4, 1, 9), Shape(1, 2, 9, 1), Shape(2, 6, 7, 5), Shape(1, 8, 16, 16),
  Shape(1, 4, 150, 130),
]
