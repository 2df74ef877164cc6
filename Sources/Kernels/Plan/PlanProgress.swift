/// A run of consecutive steps of a plan, about a hundredth of its work, but no more than a
/// processor does in a second or two: between parts a run can be told to stop.
struct PlanPart {
  private static let mostMultiplyAdds = 5e10
  let steps: Range<Int>
  /// The share of the plan's work that is done after them.
  let done: Double

  /// Cuts a plan into parts.
  /// - Parameter work: multiply-adds of each step.
  static func parts(_ work: [Double]) -> [PlanPart] {
    let total = max(1, work.reduce(0, +))
    let size = min(0.01, mostMultiplyAdds / total)
    var (parts, start, done, last) = ([PlanPart](), 0, 0.0, 0.0)
    for (index, share) in work.enumerated() {
      done += share / total
      guard done - last >= size || index == work.count - 1 else { continue }
      parts.append(PlanPart(steps: start..<index + 1, done: min(1, done)))
      (start, last) = (index + 1, done)
    }
    return parts
  }
}

extension Plan {
  /// Runs every step and tells, now and then, which share of the work is done, not merely begun.
  /// One part waits for the device while another is worked on, so that it never idles.
  /// - Throws: the backend's error.
  public func run(reporting progress: (Double) throws -> Void) throws {
    var last: (mark: B.Mark, done: Double)?
    for part in parts {
      try backend.run(Array(steps[part.steps]))
      let mark = try backend.mark()
      if let last {
        try backend.wait(for: last.mark)
        try progress(last.done)
      }
      last = (mark, part.done)
    }
    if let last {
      try backend.wait(for: last.mark)
      try progress(last.done)
    }
  }
}
