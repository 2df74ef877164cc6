import Foundation
import Kernels
import Restormer

/// Decodes the images of a batch on other threads before they are needed, as far as the machine's
/// memory allows.
final class ReadAhead {
  /// An image and the right view of a dual-pixel pair.
  struct Images {
    let image: Bitmap
    let right: Bitmap?
  }

  /// An image that is being decoded.
  struct Reading {
    let source: ImageSource
    /// Bytes that the job takes until its result is written.
    let need: Int
    let images: Later<Images>
  }

  private static let depth = 2

  private let jobs: [RestoreJob]
  private let need: (_ width: Int, _ height: Int) throws -> Int
  private var started: [Int: Reading] = [:]

  /// - Parameter need: the bytes that a job takes; throws where that is more than there is.
  init(_ jobs: [RestoreJob], need: @escaping (_ width: Int, _ height: Int) throws -> Int) {
    (self.jobs, self.need) = (jobs, need)
  }

  /// The image of a job, and begins with those after it.
  /// - Parameter used: bytes that earlier jobs still take.
  /// - Throws: `ImageError`; what `need` throws.
  func take(_ index: Int, beside used: Int) throws -> Reading {
    let own = try started.removeValue(forKey: index) ?? start(index)
    var used = used + own.need + started.values.reduce(0) { $0 + $1.need }
    for next in index + 1..<min(jobs.count, index + 1 + Self.depth) where started[next] == nil {
      // What cannot be read is found out again when it is that job's turn.
      guard let reading = try? start(next, beside: used) else { break }
      started[next] = reading
      used += reading.need
    }
    return own
  }

  private func start(_ index: Int, beside used: Int = 0) throws -> Reading {
    let job = jobs[index]
    let source = try ImageSource(job.input)
    let need = try need(source.width, source.height)
    guard used == 0 || MemoryBudget.host.holds(MemoryNeed(pieces: used + need)) else {
      throw RestoreFailure(description: "\(job.inputName): no memory beside the other images")
    }
    return Reading(
      source: source, need: need,
      images: Later {
        Images(image: try source.image(), right: try job.right.map(Bitmap.init(contentsOf:)))
      })
  }
}
