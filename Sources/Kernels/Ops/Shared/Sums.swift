/// `terms` sums over `i` below `count` of what `body` adds to them: computed on all cores, added in order.
func parallelSums(
  _ count: Int, terms: Int, _ body: (_ i: Int, _ sums: UnsafeMutablePointer<Double>) -> Void
) -> [Double] {
  withUnsafeTemporaryAllocation(of: Double.self, capacity: count * terms) { parts in
    parts.initialize(repeating: 0)
    guard let base = parts.baseAddress else { return [] }
    parallelFor(count) { body($0, base + $0 * terms) }
    return (0..<terms).map { term in
      stride(from: term, to: parts.count, by: terms).reduce(0) { $0 + parts[$1] }
    }
  }
}

/// The sum of `count` numbers in blocks of 4096, sixteen lanes each: the error stays near one rounding.
func blockedSum(_ values: UnsafeMutablePointer<Float>, _ count: Int) -> Float {
  var total: Float = 0
  var begin = 0
  while begin < count {
    let end = min(begin + 4096, count)
    var lanes = SIMD16<Float>.zero
    var index = begin
    while index + 16 <= end {
      lanes += UnsafeRawPointer(values + index).loadUnaligned(as: SIMD16<Float>.self)
      index += 16
    }
    var block = lanes.sum()
    while index < end {
      block += values[index]
      index += 1
    }
    total += block
    begin = end
  }
  return total
}
