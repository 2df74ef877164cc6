import Foundation
import Restormer
import TestSupport
import XCTest

/// Learning rates against PyTorch's and BasicSR's own tables (golden case 04).
final class ScheduleTests: XCTestCase {
  private static let name = "04_lr_schedules"

  func testEveryRecordedSchedule() throws {
    let manifest = try Golden.manifest(Self.name)
    let schedules = try XCTUnwrap(manifest["schedules"] as? [String: [String: Any]])
    for (name, entry) in schedules {
      let base = try XCTUnwrap(entry["base_lr"] as? Double)
      let schedule = try schedule(entry)
      let text = try String(
        contentsOf: Golden.file(Self.name, name + ".csv"), encoding: .utf8)
      for line in text.split(whereSeparator: \.isNewline).dropFirst() {
        let fields = line.split(separator: ",").compactMap { Double($0) }
        let rate = schedule.rate(step: Int(fields[0]), base: base)
        XCTAssertEqual(rate, fields[1], accuracy: 1e-12 + 1e-9 * fields[1], "\(name) \(fields[0])")
      }
    }
  }

  private func schedule(_ entry: [String: Any]) throws -> LearningRateSchedule {
    if let period = entry["T_max"] as? Int {
      return .cosine(period: period, minimum: try XCTUnwrap(entry["eta_min"] as? Double))
    }
    let periods = try XCTUnwrap(entry["periods"] as? [Int])
    let weights = try XCTUnwrap(entry["restart_weights"] as? [Double])
    let minima = try XCTUnwrap(entry["eta_mins"] as? [Double])
    return .restartCyclic(
      cycles: periods.indices.map {
        .init(period: periods[$0], weight: weights[$0], minimum: minima[$0])
      })
  }

  func testWarmUpRisesLinearlyToTheSchedule() {
    let rate = LearningRate(base: 1, schedule: .constant, warmUp: 4)
    XCTAssertEqual((0..<6).map { rate.rate(step: $0) }, [0.25, 0.5, 0.75, 1, 1, 1])
  }
}
