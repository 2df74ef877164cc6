import Basics
import Foundation

/// How long each run of a sweep has taken, over all of its starts; kept in a file.
final class SweepTimes {
  private let path: String
  private var seconds: [String: Double] = [:]

  /// Reads what `path` holds, if it is there.
  init(path: String) {
    self.path = path
    let text = String(decoding: (try? mappedFile(path)) ?? Data(), as: UTF8.self)
    for row in text.split(whereSeparator: \.isNewline) {
      // Names of runs may have commas in them.
      guard let comma = row.firstIndex(of: ","),
        let value = Double(row[..<comma])
      else { continue }
      seconds[String(row[row.index(after: comma)...])] = value
    }
  }

  func seconds(_ run: String) -> Double { seconds[run] ?? 0 }

  /// Starts the clock of a run.
  func start(_ run: String) -> Clock { Clock(times: self, run: run, before: seconds(run)) }

  /// A run's running clock.
  struct Clock {
    fileprivate let times: SweepTimes
    fileprivate let run: String
    fileprivate let before: Double
    private let clock = Stopwatch()

    fileprivate init(times: SweepTimes, run: String, before: Double) {
      (self.times, self.run, self.before) = (times, run, before)
    }

    /// Writes the time so far; a time that cannot be written is no reason to stop a run.
    func save() {
      times.seconds[run] = before + clock.seconds
      let rows = times.seconds.sorted { $0.key < $1.key }.map { "\($1),\($0)\n" }
      try? writeAtomically(Array(("seconds,run\n" + rows.joined()).utf8), to: times.path)
    }
  }
}
