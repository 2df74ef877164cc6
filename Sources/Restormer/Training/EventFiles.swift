import Foundation

/// The event files of a run, which TensorBoard reads in the order of their names.
package struct EventFiles {
  private let folder: String
  private static let prefix = "events.out.tfevents."

  package init(folder: String) { self.folder = folder }

  private var names: [String] {
    let names = (try? folderContents(folder)) ?? []
    return names.filter { $0.hasPrefix(Self.prefix) }.sorted {
      $0.utf8.lexicographicallyPrecedes($1.utf8)
    }
  }

  private var paths: [String] { names.map { "\(folder)/\($0)" } }

  /// The name of a file that is read after all others, though the clock may have been set back: it
  /// says the time, and a second more than the newest one at least.
  var nextPath: String {
    let times = names.compactMap { Int($0.dropFirst(Self.prefix.count).prefix { $0 != "." }) }
    let newest = times.filter { $0 < 9_999_999_999 }.max() ?? 0
    let time = max(newest + 1, Int(Date().timeIntervalSince1970))
    let digits = String(repeating: "0", count: max(0, 10 - "\(time)".count)) + "\(time)"
    return "\(folder)/\(Self.prefix)\(digits).\(getpid())"
  }

  /// The time of the newest event in seconds since 1970; 0 without any.
  var newestTime: Double {
    paths.flatMap { EventFile(path: $0).records }.map(\.time)
      .filter(\.isFinite).max() ?? 0
  }

  /// Removes what was recorded of a time after `progress`; a run that goes on from there will
  /// record it again.
  /// - Throws: `FileError`.
  func rewind(to progress: RunProgress) throws {
    for path in paths {
      let records = EventFile(path: path).records
      let kept = records.prefix { !$0.isAfter(progress) }
      if kept.allSatisfy({ $0.tag == nil }) {
        unlink(path.systemPath)
      } else if let last = kept.last, truncate(path.systemPath, off_t(last.end)) != 0 {
        throw FileError.last("cut", path)
      }
    }
  }
}

extension EventFile.Record {
  fileprivate func isAfter(_ progress: RunProgress) -> Bool {
    guard let tag else { return false }
    let isOfValidation = tag.hasPrefix("val/") || tag.hasPrefix("samples/")
    return step > progress.step
      || step == progress.step && progress.validationDue && isOfValidation
  }
}
