/// Where a tensor lies: a region of some backend's storage.
///
/// Offset and strides count elements, whatever their precision.
///
/// Element `(n, c, y, x)` is at `offset + n * batchStride + c * planeStride + y * w + x`. A plane
/// is dense; planes may have a gap between them, which belongs to nobody.
public struct TensorView<Storage> {
  /// The allocation.
  public let storage: Storage
  /// The first element.
  public let offset: Int
  /// The extent.
  public let shape: Shape
  /// Elements from one channel's plane to the next.
  public let planeStride: Int
  /// How elements lie in memory.
  public let precision: Precision

  /// A view of `shape` at `offset`, dense unless a plane stride is given.
  public init(
    _ storage: Storage, offset: Int, shape: Shape, planeStride: Int? = nil,
    precision: Precision = .float
  ) {
    self.precision = precision
    self.storage = storage
    self.offset = offset
    self.shape = shape
    self.planeStride = planeStride ?? shape.plane
    precondition(self.planeStride >= shape.plane, "TensorView: stride below the plane of \(shape)")
  }

  /// Elements from one image to the next.
  package var batchStride: Int { shape.c * planeStride }

  /// Elements from the first to the end of the last plane's slot.
  package var extent: Int { shape.n * batchStride }
}

extension TensorView {
  /// The part of the tensor with the given images, channels and rows, where it lies: several images
  /// only with all their channels, so that they stay evenly spaced.
  package func part(images: Range<Int>, channels: Range<Int>, rows: Range<Int>) -> TensorView {
    precondition(
      images.upperBound <= shape.n && channels.upperBound <= shape.c && rows.upperBound <= shape.h
        && (images.count == 1 || channels.count == shape.c),
      "TensorView: no part \(images) x \(channels) x \(rows) of \(shape)")
    return TensorView(
      storage,
      offset: offset + images.lowerBound * batchStride + channels.lowerBound * planeStride
        + rows.lowerBound * shape.w,
      shape: Shape(images.count, channels.count, rows.count, shape.w), planeStride: planeStride,
      precision: precision)
  }
}

/// Elements behind a tensor that kernels may read: a block of columns that starts in its last
/// element.
let planeSlack = 64

/// The plane stride of tensors in an arena.
///
/// A power-of-two plane puts all channels of one pixel into one cache set; 64 floats more and an
/// odd number of 256-byte steps spread them (measured: register-blocked GEMM 94 -> 157 GFLOP/s on a
/// CPU device).
package func paddedPlaneStride(_ shape: Shape) -> Int {
  let plane = shape.plane
  guard plane >= 64, shape.n * shape.c > 1 else { return plane }
  let steps = (plane + 63) / 64 + 1
  return 64 * (steps % 2 == 0 ? steps + 1 : steps)
}
