import Foundation
import ProtocolBuffers
import Restormer
import SwiftProtobuf
import TestSupport
import XCTest

/// What a run appends to its records: once each, in order, whatever stopped it and whatever the
/// clock says.
final class RecordTests: XCTestCase {
  private var scratch: ImageScratch!

  override func setUpWithError() throws { scratch = try ImageScratch() }

  override func tearDown() { scratch = nil }

  private func progress(_ step: Int, due: Bool = false) -> RunProgress {
    var progress = RunProgress()
    (progress.step, progress.validationDue) = (step, due)
    return progress
  }

  private let scores = Scores(psnr: 20, ssim: 0.5, l1: 0.1, l2: 0.01)

  private func record(after progress: RunProgress) throws -> TrainingRecord {
    for part in ["events", "samples"] {
      try FileManager.default.createDirectory(
        atPath: scratch.file(part), withIntermediateDirectories: true)
    }
    return try TrainingRecord(
      folder: scratch.path, after: progress, options: TrainingOptions(),
      report: { XCTFail("\($0)") })
  }

  private func rows() throws -> [String] {
    try String(contentsOfFile: scratch.file("metrics.csv"), encoding: .utf8)
      .split(separator: "\n").dropFirst().map(String.init)
  }

  private var eventFiles: [String] {
    let names = try? FileManager.default.contentsOfDirectory(atPath: scratch.file("events"))
    return (names ?? []).sorted()
  }

  /// Steps and names of all values in the order in which TensorBoard reads them.
  private var values: [String] {
    eventFiles.flatMap { EventFile(path: scratch.file("events/\($0)")).records }
      .compactMap { record in record.tag.map { "\(record.step) \($0)" } }
  }

  private var times: [Double] {
    eventFiles.flatMap { EventFile(path: scratch.file("events/\($0)")).records }.map(\.time)
  }

  /// Stopped where a validation is due, gone on with, killed behind it, again and again.
  func testAValidationThatIsDueIsRecordedOnce() throws {
    let strip = [(name: "a", image: Image(width: 1, height: 1, channels: 1, pixels: [0]))]
    do {
      let first = try record(after: progress(0))
      first.epoch(1, step: 5, rate: 1, l1: 1, l2: 1)
    }
    for _ in 0..<3 {
      let resumed = try record(after: progress(5, due: true))
      resumed.validation(scores, strip, step: 5, epoch: 1, rate: 1)
      resumed.epoch(2, step: 10, rate: 1, l1: 1, l2: 1)
      resumed.validation(scores, strip, step: 10, epoch: 2, rate: 1)
    }
    XCTAssertEqual(try rows().map { $0.prefix { $0 != "," } }, ["5", "5", "10", "10"])
    let expected = [5, 10].flatMap { step in
      [
        "train/l1", "train/l2", "train/rate", "val/l1", "val/l2", "val/psnr", "val/ssim",
        "samples/a",
      ]
      .map { "\(step) \($0)" }
    }
    XCTAssertEqual(values, expected)
    _ = try record(after: progress(5))
    XCTAssertEqual(try rows().count, 2)
    XCTAssertEqual(values, Array(expected.prefix(8)))
  }

  private func recordedEvent(time: Double = 1) throws -> [UInt8] {
    let event = TensorBoardEvent.with {
      ($0.wallTime, $0.step) = (time, 1)
      $0.summary.value = [.with { ($0.tag, $0.simpleValue) = ("train/l1", 1) }]
    }
    return try EventWriter.record(event.serializedBytes())
  }

  private func write(_ bytes: [UInt8], to name: String) throws {
    try FileManager.default.createDirectory(
      atPath: scratch.file("events"), withIntermediateDirectories: true)
    try Data(bytes).write(
      to: URL(fileURLWithPath: scratch.file("events/events.out.tfevents.\(name)")))
  }

  /// A record of something else, or damaged within its length.
  func testWhatIsNoEventIsSkipped() throws {
    try write(recordedEvent() + EventWriter.record([0xFF, 0xFF]) + recordedEvent(), to: "1.1")
    XCTAssertEqual(values, ["1 train/l1", "1 train/l1"])
    XCTAssertEqual(times, [1, 0, 1])
  }

  /// A clock that went back, as far as to 1970: the newer file is read behind the older one, and no
  /// event is older.
  func testAClockThatIsSetBackHidesNothing() throws {
    let future = Date().timeIntervalSince1970 + 86_400
    for (name, time) in [("0000000099.7", 99.0), ("\(Int(future)).999", future)] {
      try write(recordedEvent(time: time), to: name)
    }
    let later = try record(after: progress(3))
    later.epoch(1, step: 4, rate: 1, l1: 1, l2: 1)
    XCTAssertEqual(values.last, "4 train/rate")
    XCTAssertEqual(times, times.sorted())
    XCTAssertGreaterThanOrEqual(try XCTUnwrap(times.last), future)
    // Two starts within a second, whatever the numbers of the processes.
    let names = eventFiles
    _ = try record(after: progress(4))
    XCTAssertEqual(Array(eventFiles.prefix(names.count)), names)
    XCTAssertEqual(eventFiles.count, names.count + 1)
  }

  /// What a full disk or a power cut left of a record goes, what is before it stays.
  func testARecordCutShortIsDropped() throws {
    try record(after: progress(0)).epoch(1, step: 4, rate: 1, l1: 1, l2: 1)
    let whole = values
    let file = scratch.file("events/\(eventFiles[0])")
    let size = try Data(contentsOf: URL(fileURLWithPath: file)).count
    XCTAssertEqual(truncate(file, off_t(size - 3)), 0)
    _ = try record(after: progress(4))
    XCTAssertEqual(values, Array(whole.dropLast()))
    XCTAssertLessThan(try Data(contentsOf: URL(fileURLWithPath: file)).count, size - 4)
  }

  /// Fields as TensorBoard numbers them and protocol buffers encode them, behind the time.
  func testEventsHaveTheDocumentedBytes() throws {
    let black = Image(width: 3, height: 2, channels: 1, pixels: [0, 0, 0, 0, 0, 0])
    let written = try record(after: progress(299))
    written.epoch(1, step: 300, rate: 1, l1: 1.5, l2: 1)
    written.validation(scores, [(name: "a", image: black)], step: 300, epoch: 1, rate: 1)
    var rest = try bytes("events/\(eventFiles[0])")[...]
    var events: [[UInt8]] = []
    while rest.count > 16 {
      let length = Int(rest[rest.startIndex]) + Int(rest[rest.startIndex + 1]) * 256
      let event = rest.dropFirst(12).prefix(length)
      XCTAssertEqual(event.first, 0x09)
      events.append(Array(event.dropFirst(9)))
      rest = rest.dropFirst(16 + length)
    }
    let step: [UInt8] = [0x10, 0xAC, 0x02]
    XCTAssertEqual(events[0], Wire.text(3, "brain.Event:2"))
    XCTAssertEqual(events[1], step + Wire.message(7, [0x08, 1]))
    let number = Wire.message(1, Wire.text(1, "train/l1"), [0x15, 0, 0, 0xC0, 0x3F])
    XCTAssertEqual(events[2], step + Wire.message(5, number))
    let png = Wire.message(4, try bytes("samples/a.png"))
    let picture = Wire.message(4, [0x08, 2, 0x10, 3, 0x18, 1], png)
    let value = Wire.message(1, Wire.text(1, "samples/a"), picture)
    XCTAssertEqual(events.last, step + Wire.message(5, value))
  }

  private func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: scratch.file(name))))
  }

  /// Records that cannot be read are not replaced by empty ones.
  func testAnUnreadableLogIsKept() throws {
    try FileManager.default.createDirectory(
      atPath: scratch.file("metrics.csv"), withIntermediateDirectories: true)
    XCTAssertThrowsError(try record(after: progress(4))) {
      XCTAssertTrue("\($0)".contains("metrics.csv"), "\($0)")
    }
  }
}
