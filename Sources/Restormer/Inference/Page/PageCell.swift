/// What is measured of a square of pixels, given and restored.
struct PageCell {
  /// Pixels on each side.
  static let side = 32
  /// Steps of the histogram.
  static let levels = 128

  /// Pixels.
  private(set) var count = 0
  /// How much steeper edges became.
  private(set) var crispness = Crispness()
  /// Σ of the squares of the restored steps between neighbours.
  private(set) var steps = 0.0
  /// Restored pixels by gray level, from 0 to 1.
  private(set) var histogram = [Int32](repeating: 0, count: levels)
  /// The variance of the given pixels' noise, as the second differences both ways see it (Immerkær
  /// 1996).
  private(set) var noise = 0.0
  /// How a blur explains the given pixels by the restored ones.
  private(set) var blur: BlurSums? = BlurSums()

  /// The pixels of columns `columns` of two strips of `rows` rows.
  /// - Parameter middle: about the mean of the picture, which makes sums small.
  init(
    _ given: LumaStrip, _ restored: LumaStrip, columns: Range<Int>, rows: Int, middle: Float
  ) {
    count = columns.count * rows
    addLevels(restored, columns, rows)
    addSteps(given, restored, columns, rows)
    addNoise(given, columns, rows)
    addBlur(given, restored, columns, rows, middle)
  }

  private mutating func addLevels(_ restored: LumaStrip, _ columns: Range<Int>, _ rows: Int) {
    for y in 0..<rows {
      for x in columns {
        let value = min(1, max(0, restored.values[restored.index(x, y)]))
        histogram[Int(value * Float(Self.levels - 1) + 0.5)] += 1
      }
    }
  }

  private mutating func addSteps(
    _ given: LumaStrip, _ restored: LumaStrip, _ columns: Range<Int>, _ rows: Int
  ) {
    var (own, shared) = (0.0, 0.0)
    for y in 0..<rows {
      for x in columns {
        let i = given.index(x, y)
        for next in [i + 1, i + given.stride] {
          let step = restored.values[next] - restored.values[i]
          own += Double(step * step)
          shared += Double(step * (given.values[next] - given.values[i]))
        }
      }
    }
    steps = own
    crispness = Crispness(own: own, shared: shared)
  }

  private mutating func addNoise(_ given: LumaStrip, _ columns: Range<Int>, _ rows: Int) {
    let (v, stride) = (given.values, given.stride)
    var sum = 0.0
    for y in 0..<rows {
      for x in columns {
        let i = given.index(x, y)
        let corners =
          v[i - stride - 1] + v[i - stride + 1] + v[i + stride - 1] + v[i + stride + 1]
        let sides = v[i - stride] + v[i + stride] + v[i - 1] + v[i + 1]
        let second = corners - 2 * sides + 4 * v[i]
        sum += Double(second * second)
      }
    }
    // The squares of the nine weights sum to 36.
    noise = sum / (36 * Double(max(1, count)))
  }

  /// Every second row is enough, and half the time.
  private mutating func addBlur(
    _ given: LumaStrip, _ restored: LumaStrip, _ columns: Range<Int>, _ rows: Int, _ middle: Float
  ) {
    let used = Array(stride(from: 0, to: rows, by: 2))
    let vectors = Self.side / 8 * used.count
    let row = 8 * vectors
    withUnsafeTemporaryAllocation(of: SIMD8<Float>.self, capacity: BlurSums.columns * vectors) {
      factors in
      factors.initialize(repeating: .zero)
      factors.withMemoryRebound(to: Float.self) { out in
        restored.values.withUnsafeBufferPointer { y in
          for (line, number) in used.enumerated() {
            for (column, x) in columns.enumerated() {
              let (i, target) = (restored.index(x, number), line * Self.side + column)
              out[target] = y[i] - middle
              for (pair, offset) in BlurSums.offsets.enumerated() {
                let shift = offset.y * restored.stride + offset.x
                out[(pair + 1) * row + target] = y[i + shift] + y[i - shift] - 2 * middle
              }
              out[(BlurSums.unknowns - 1) * row + target] = 1
              out[BlurSums.unknowns * row + target] = given.values[i] - middle
            }
          }
        }
      }
      blur?.add(factors.baseAddress!, vectors: vectors, count: used.count * columns.count)
    }
  }
}
