import CLBackend
import Foundation

/// What keeps launches short.
///
/// Systems take a GPU that one launch occupies for about two seconds to be hung, and reset it. How
/// long a launch takes is reckoned from its operations and bytes, at the rates of a GPU that is
/// weaker than any in use. They are the same for all devices: a strong one has a launch done in a
/// fraction of a millisecond, which is still a hundred times what starting one costs.
enum WeakGPU {
  /// Floating-point operations and bytes in a second: a tenth of what small integrated GPUs do.
  static let (flops, bytes) = (25e9, 4e9)
  /// Seconds that no launch takes there.
  static let longestLaunch = 0.3
}

extension Launch {
  /// How long it takes on a weak GPU, if it moves no byte while it computes.
  package var secondsOnWeakGPU: Double { flops / WeakGPU.flops + bytes / WeakGPU.bytes }

  /// Launches of the same work-groups that take at most `seconds` each on a weak GPU, as far as the
  /// groups can be told apart: each computes what it does in the whole, so that results are the
  /// same bit for bit.
  package func pieces(atMost seconds: Double) -> [Launch] {
    guard secondsOnWeakGPU > seconds, let dimension = dimensionToCut else { return [self] }
    let groups = groups(along: dimension)
    let most = max(1, Int(Double(groups) * (seconds / secondsOnWeakGPU)))
    let count = ceilingQuotient(groups, most)
    return (0..<count).flatMap { index in
      part(groups: groups * index / count..<groups * (index + 1) / count, along: dimension)
        .pieces(atMost: seconds)
    }
  }

  /// The one with the most work-groups of those whose extent the kernel does not ask for.
  private var dimensionToCut: Int? {
    let known = KernelSource.askedDimensions[kernel.name] ?? []
    return global.indices.filter { !known.contains($0) && groups(along: $0) > 1 }
      .max { groups(along: $0) < groups(along: $1) }
  }
}

extension KernelSource {
  /// The dimensions whose extent a kernel asks for, by the kernel's name, as its text says: a part
  /// of a launch would get the part's.
  package static let askedDimensions: [String: Set<Int>] = {
    var asked: [String: Set<Int>] = [:]
    for body in text.components(separatedBy: "__kernel ").dropFirst() {
      guard
        let name = body.components(separatedBy: "void ").dropFirst().first?.prefix(while: {
          $0 != "("
        })
      else { continue }
      // A function ends with the first brace that starts a line.
      let lines = body.components(separatedBy: "\n}")[0]
      for question in ["get_num_groups(", "get_global_size("] {
        for rest in lines.components(separatedBy: question).dropFirst() {
          if let dimension = rest.first?.wholeNumberValue {
            asked[String(name), default: []].insert(dimension)
          }
        }
      }
    }
    return asked
  }()
}
