import Dispatch

/// Calls `body` once for every index below `count`, on all cores; returns when all are done.
///
/// The calls run at the same time: they must write disjoint memory.
package func parallelFor(_ count: Int, _ body: (Int) -> Void) {
  guard count > 1 else {
    if count == 1 { body(0) }
    return
  }
  withoutActuallyEscaping(body) { body in
    let shared = SharedBody(call: body)
    DispatchQueue.concurrentPerform(iterations: count) { shared.call($0) }
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

/// Carries a closure over planes of memory to other threads; the caller promises disjoint writes.
private struct SharedBody: @unchecked Sendable {
  let call: (Int) -> Void
}
