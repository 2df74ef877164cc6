import Basics
import Foundation
import Kernels

/// Sums gradients over the ranks while the backward pass goes on.
///
/// Gradients lie in forward order, so the end of their block is final first. The block is cut into
/// buckets; each is copied to the host and summed on a thread of its own as soon as it and those
/// behind it are final. Every rank sums the same buckets in the same order, whatever its device
/// does first: sums have the same bits on all of them.
final class GradientReduction<B: Backend>: @unchecked Sendable {
  /// The parts of the block, from its end to its start.
  let buckets: [Range<Int>]
  /// Seconds spent on summing so far, and those of them that the backward pass did not hide.
  private(set) var seconds = 0.0
  private(set) var waited = 0.0

  /// Parameters of a bucket at least: 4 MiB, enough that a message's start costs little.
  private static var bucketExtent: Int { 1 << 20 }

  private let team: Team
  private let backend: B
  private let sums: UnsafeMutableBufferPointer<Float>
  /// The gradients of earlier batches of the step.
  private let earlier: UnsafeMutableBufferPointer<Float>?
  private let queue = DispatchQueue(label: "restormer.reduction")
  private var fault: (any Error)?

  /// - Parameters:
  ///   - parameters: the network's, in the order of their offsets.
  ///   - extent: numbers in the block.
  ///   - accumulating: whether a step sums the gradients of several batches.
  init(
    _ parameters: [ParameterSpec], extent: Int, accumulating: Bool, team: Team, on backend: B
  ) {
    (self.team, self.backend) = (team, backend)
    buckets = Self.buckets(parameters.map(\.offset), extent: extent)
    sums = .allocate(capacity: extent)
    earlier = accumulating ? .allocate(capacity: extent) : nil
  }

  deinit {
    sums.deallocate()
    earlier?.deallocate()
  }

  /// Cuts a block where parameters begin.
  static func buckets(_ offsets: [Int], extent: Int) -> [Range<Int>] {
    var (buckets, end) = ([Range<Int>](), extent)
    for offset in offsets.sorted().reversed() where end - offset >= bucketExtent {
      buckets.append(offset..<end)
      end = offset
    }
    // A short rest goes with the bucket behind it.
    if end > 0, let last = buckets.popLast() {
      buckets.append(0..<last.upperBound)
    } else if end > 0 {
      buckets = [0..<end]
    }
    return buckets
  }

  /// Sums a bucket once what was started on the device is done.
  ///
  /// - Parameters:
  ///   - number: the bucket's; in order.
  ///   - gradients: the block.
  ///   - accumulated: the sums of the step's earlier batches, if it has several.
  func start(
    _ number: Int, of gradients: TensorView<B.Storage>, _ accumulated: TensorView<B.Storage>?
  ) throws {
    let bucket = buckets[number]
    func read(
      _ block: TensorView<B.Storage>, _ target: UnsafeMutableBufferPointer<Float>
    ) throws -> B.Mark {
      try backend.startReading(
        block.part(bucket), into: UnsafeMutableBufferPointer(rebasing: target[bucket]))
    }
    if let accumulated, let earlier { _ = try read(accumulated, earlier) }
    let mark = try read(gradients, sums)
    nonisolated(unsafe) let work = { [self] in
      do {
        if fault == nil { try sum(bucket, after: mark) }
      } catch {
        fault = error
      }
    }
    queue.async { work() }
  }

  private func sum(_ bucket: Range<Int>, after mark: B.Mark) throws {
    try backend.wait(for: mark)
    if let earlier { for index in bucket { sums[index] += earlier[index] } }
    let clock = Stopwatch()
    try team.sum(UnsafeMutableBufferPointer(rebasing: sums[bucket]))
    seconds += clock.seconds
  }

  /// Waits for the sums and puts them in place of the gradients.
  func finish(into block: TensorView<B.Storage>) throws {
    let clock = Stopwatch()
    queue.sync {}
    waited += clock.seconds
    if let fault { throw fault }
    try backend.write(UnsafeBufferPointer(sums), to: block)
  }
}

extension TensorView {
  /// A stretch of a block with one number per parameter.
  func part(_ range: Range<Int>) -> TensorView {
    TensorView(storage, offset: offset + range.lowerBound, shape: Shape(1, 1, 1, range.count))
  }
}
