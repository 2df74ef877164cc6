import CMicroKernels
import Dispatch

/// Calls `body` once for every index below `count`, on as many cores as `WorkerThreads` allows;
/// returns when all are done. Within a lane (`inLanes`) they run one after the other.
///
/// The calls run at the same time: they must write disjoint memory.
package func parallelFor(_ count: Int, _ body: (Int) -> Void) {
  let workers = isInLane ? 1 : min(count, WorkerThreads.limit)
  guard workers > 1 else {
    for index in 0..<count { body(index) }
    return
  }
  withoutActuallyEscaping(body) { body in
    let shared = SharedBody(call: body)
    let isDone = withUnsafePointer(to: shared) { context in
      restormer_share_work(
        count, Int32(min(workers, WorkerThreads.count)),
        { context, index in
          context?.assumingMemoryBound(to: SharedBody.self).pointee.call(index)
        }, UnsafeMutableRawPointer(mutating: context))
    }
    guard isDone == 0 else { return }
    // Another thread's work or one of this call's own callers has the workers.
    DispatchQueue.concurrentPerform(iterations: workers) { worker in
      for index in stride(from: worker, to: count, by: workers) { shared.call(index) }
    }
  }
}

/// Calls `body` with disjoint ranges that cover `0..<count`, each at least `grain` long but the
/// last.
package func parallelRanges(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
  let chunks = (count + grain - 1) / grain
  parallelFor(chunks) { chunk in
    body(chunk * grain..<min(count, (chunk + 1) * grain))
  }
}

/// Calls `body` with every lane below `count`: each is the work of one core, all of what
/// `parallelFor` spreads over cores elsewhere.
func inLanes(_ count: Int, _ body: (Int) -> Void) {
  parallelFor(count) { lane in
    restormer_set_in_lane(1)
    defer { restormer_set_in_lane(0) }
    body(lane)
  }
}

/// Whether the calling thread works on a lane of its own.
var isInLane: Bool { restormer_is_in_lane() != 0 }

/// Carries a closure over planes of memory to other threads; the caller promises disjoint writes.
private struct SharedBody: @unchecked Sendable {
  let call: (Int) -> Void
}
