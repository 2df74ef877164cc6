import CMicroKernels

/// Planes of `shape` worth a task of their own.
func depthwiseGrain(_ shape: Shape) -> Int { max(1, 8192 / shape.plane) }

/// The gradients of one channel of a depthwise convolution, summed over the images in order: those
/// of the taps, and that of the bias last. A plane of slopes serves them all while it is in cache.
struct DepthwiseChannelGradients {
  private let shape: Shape
  private let taps: UnsafePointer<Float>
  private var sums = [Double](repeating: 0, count: 9)
  private var total = 0.0

  /// - Parameters:
  ///   - shape: of the planes.
  ///   - taps: the channel's nine.
  init(_ shape: Shape, taps: UnsafePointer<Float>) { (self.shape, self.taps) = (shape, taps) }

  /// Writes the gradient of one image's plane `x` to `gx` and adds to the sums.
  mutating func add(
    _ x: UnsafePointer<Float>, _ gy: UnsafePointer<Float>, into gx: UnsafeMutablePointer<Float>
  ) {
    restormer_depthwise_window(
      gy, shape.h, 0, shape.h, shape.h, shape.w, taps, 1, 0, gx)
    restormer_depthwise_sums(x, gy, &sums, shape.h, shape.w)
    total += restormer_sum(gy, shape.plane)
  }

  /// Writes the sums to the channel's place in the gradients of the weight and perhaps the bias.
  func write(to gradients: ArraySlice<CPUTensor>, channel c: Int) {
    guard let gw = gradients.first else { return }
    for k in 0..<9 { gw.plane(c, 0)[k] = Float(sums[k]) }
    for gb in gradients.dropFirst() { gb.plane(0, c)[0] = Float(total) }
  }
}
