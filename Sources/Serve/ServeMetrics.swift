import Foundation

/// Counts what was asked and answered, for Prometheus.
final class ServeMetrics: @unchecked Sendable {
  private let lock = NSLock()
  private var responses: [Int: Int] = [:]
  private let start = Date()

  func count(_ status: HTTPStatus) {
    lock.withLock { responses[status.rawValue, default: 0] += 1 }
  }

  /// All numbers in Prometheus' text format.
  func text(_ numbers: JobStore.Numbers) -> String {
    var lines: [String] = []
    func add(_ name: String, _ kind: String, _ help: String, _ samples: [(String, Double)]) {
      lines += ["# HELP restormer_\(name) \(help)", "# TYPE restormer_\(name) \(kind)"]
      lines += samples.map { "restormer_\(name)\($0.0) \($0.1)" }
    }
    let responses = lock.withLock { self.responses }
    add(
      "http_responses_total", "counter", "Answers by status code.",
      responses.sorted { $0.key < $1.key }.map { ("{code=\"\($0.key)\"}", Double($0.value)) })
    add(
      "jobs_finished_total", "counter", "Jobs that ended, by how.",
      Job.State.allCases.filter(\.isFinal).map {
        ("{state=\"\($0.rawValue)\"}", Double(numbers.finished[$0] ?? 0))
      })
    add("jobs_queued", "gauge", "Jobs that wait.", [("", Double(numbers.queued))])
    add("jobs_running", "gauge", "Jobs on the device.", [("", Double(numbers.running))])
    add("jobs_known", "gauge", "Jobs that are not forgotten.", [("", Double(numbers.known))])
    add("memory_bytes", "gauge", "Bytes of uploads and results.", [("", Double(numbers.bytes))])
    add(
      "device_seconds_total", "counter", "Time spent on images.", [("", numbers.deviceSeconds)])
    add(
      "uptime_seconds", "gauge", "Time since the start.", [("", Date().timeIntervalSince(start))])
    return lines.joined(separator: "\n") + "\n"
  }
}
