import Restormer
import XCTest

/// Competition files: values, order and ids, compared with what is written out by hand here.
final class SubmissionTests: XCTestCase {
  private var scratch: ImageScratch!

  override func setUpWithError() throws { scratch = try ImageScratch() }
  override func tearDown() { scratch = nil }

  /// A gray file of levels 0 to 255.
  private func picture(_ name: String, _ width: Int, _ levels: [Int], in folder: String = "in")
    throws
  {
    try FileManager.default.createDirectory(
      atPath: scratch.file(folder), withIntermediateDirectories: true)
    let image = Image(
      width: width, height: levels.count / width, channels: 1,
      pixels: levels.map { Float($0) / 255 })
    try image.write(to: scratch.file("\(folder)/\(name)"), format: .png)
  }

  private func twoPictures() throws {
    try picture("10.png", 2, [0, 51, 255, 102])
    try picture("2_b.png", 1, [153, 1])
  }

  @discardableResult
  private func submit(
    _ format: SubmissionFormat = .init(), sample: String? = nil, targets: String? = nil
  ) throws -> Submission.Summary {
    let images = try SubmissionImage.list(scratch.file("in"), targets: targets)
    return try Submission(
      images, format: format, sample: sample.map { try SampleSubmission(contentsOf: $0) }
    ).write(to: scratch.file("out.csv")) { try Image(contentsOf: $0.path) }
  }

  private func lines() throws -> [String] {
    let text = try String(contentsOfFile: scratch.file("out.csv"), encoding: .utf8)
    XCTAssertTrue(text.hasSuffix("\n"))
    return text.split(separator: "\n").map(String.init)
  }

  func testARowForEachPixel() throws {
    try twoPictures()
    XCTAssertEqual(try submit().rows, 6)
    XCTAssertEqual(
      try lines(),
      [
        "id,value", "2_b_1_1,0.6", "2_b_2_1,0.00392", "10_1_1,0", "10_1_2,0.2", "10_2_1,1",
        "10_2_2,0.4",
      ])
  }

  func testARowForEachImage() throws {
    try twoPictures()
    XCTAssertEqual(try submit(.init(form: .image, range: .byte)).rows, 2)
    XCTAssertEqual(try lines(), ["id,values", "2_b,153 1", "10,0 51 255 102"])
    try submit(.init(form: .image, decimals: 1))
    XCTAssertEqual(try lines(), ["id,values", "2_b,0.6 0", "10,0 0.2 1 0.4"])
  }

  func testCountingFromZeroAndNamesThatNeedQuotes() throws {
    try picture("a, \"b\".png", 2, [0, 255])
    try submit(.init(range: .byte, decimals: 3, firstIndex: 0))
    XCTAssertEqual(
      try lines(), ["id,value", "\"a, \"\"b\"\"_0_0\",0", "\"a, \"\"b\"\"_0_1\",255"])
  }

  /// Luma of colour, and values outside the range.
  func testColourAndValuesOutsideTheRange() throws {
    try picture("a.png", 3, [0, 0, 0])
    let images = try SubmissionImage.list(scratch.file("in/a.png"))
    let colours: [Float] = [1, 0, -3, 0, 1, .nan, 0, 0, 9]
    _ = try Submission(images, format: .init(decimals: 3)).write(to: scratch.file("out.csv")) { _ in
      Image(width: 3, height: 1, channels: 3, pixels: colours)
    }
    XCTAssertEqual(try lines(), ["id,value", "a_1_1,0.299", "a_1_2,0.587", "a_1_3,0"])
    _ = try Submission(images, format: .init()).write(to: scratch.file("out.csv")) { _ in
      Image(width: 3, height: 1, channels: 1, pixels: [-0.5, 1.5, .nan])
    }
    XCTAssertEqual(try lines(), ["id,value", "a_1_1,0", "a_1_2,1", "a_1_3,0"])
  }

  func testTheSampleGivesHeaderIdsAndOrder() throws {
    try twoPictures()
    let sample = try scratch.write(
      Array(
        ("\u{FEFF}Id,Pixel\r\n10_1_1,9\r\n\"2_b_1_0\",9\r\n10_0_0,9\r\n10_0_1,9\r\n"
          + "2_b_0_0,9\r\n10_1_0,").utf8), "sample.csv")
    // Its first row counts from 1 or 0: only the option can say.
    XCTAssertThrowsError(try submit(sample: sample)) {
      XCTAssertTrue("\($0)".contains("--first-index 0"), "\($0)")
    }
    try submit(.init(firstIndex: 0), sample: sample)
    XCTAssertEqual(
      try lines(),
      [
        "Id,Pixel", "10_1_1,0.4", "\"2_b_1_0\",0.00392", "10_0_0,0", "10_0_1,0.2", "2_b_0_0,0.6",
        "10_1_0,1",
      ])
    let whole = try scratch.write(Array("Id,Pixels\n10,0\n2_b,0\n".utf8), "whole.csv")
    try submit(.init(form: .image, range: .byte), sample: whole)
    XCTAssertEqual(try lines(), ["Id,Pixels", "10,0 51 255 102", "2_b,153 1"])
  }

  func testASampleThatCountsFromZeroIsUnderstood() throws {
    try picture("a.png", 1, [0, 255])
    let sample = try scratch.write(Array("id,value\na_0_0,1\na_1_0,1\n".utf8), "sample.csv")
    try submit(sample: sample)
    XCTAssertEqual(try lines(), ["id,value", "a_0_0,0", "a_1_0,1"])
  }

  func testTheFirstDifferenceToTheSampleIsNamed() throws {
    try twoPictures()
    try submit()
    let good = try lines()
    func replaced(_ index: Int, _ line: String) -> [String] {
      good.enumerated().map { $0.offset == index ? line : $0.element }
    }
    for (rows, parts) in [
      (replaced(3, "11_1_1,0"), ["line 4", "'11_1_1'", "no image '11'"]),
      (replaced(5, "10_3_1,0"), ["line 6", "'10_3_1'", "rows 1 to 2"]),
      (replaced(5, "10_0_1,0"), ["line 6", "rows 1 to 2"]),
      (replaced(5, "10_1_2,0"), ["line 6", "'10_1_2'", "second time"]),
      (replaced(2, "2_b_x_1,0"), ["line 3", "expected image_row_column"]),
      (replaced(2, "2_b_99999999999999999999_1,0"), ["line 3", "expected image_row_column"]),
      (replaced(2, "nothing"), ["line 3", "one field"]),
      (Array(good.dropLast()), ["5 rows, expected 6", "10_2_2"]),
      (["id"] + good.dropFirst(), ["line 1", "two columns"]),
      (["id,value"], ["no row"]),
    ] {
      let path = try scratch.write(Array((rows.joined(separator: "\n") + "\n").utf8), "sample.csv")
      XCTAssertThrowsError(try submit(sample: path), "\(parts)") { error in
        for part in parts + [path] { XCTAssertTrue("\(error)".contains(part), "\(error)") }
        XCTAssertFalse("\(error)".contains("\n"))
      }
    }
  }

  func testTheScoreIsThatOfTheWrittenValues() throws {
    try twoPictures()
    try picture("10.png", 2, [10, 51, 250, 100], in: "targets")
    try picture("2_b.png", 1, [153, 4], in: "targets")
    let bytes = try XCTUnwrap(submit(.init(range: .byte), targets: scratch.file("targets")).score)
    XCTAssertEqual(bytes.count, 6)
    XCTAssertEqual(bytes.mae, 20.0 / 6, accuracy: 1e-5)
    XCTAssertEqual(bytes.rmse, (138.0 / 6).squareRoot(), accuracy: 1e-5)
    let rounded = try XCTUnwrap(submit(.init(decimals: 0), targets: scratch.file("targets")).score)
    let errors: [Double] = [10, 51, 5, 100, 102, 4]
    XCTAssertEqual(rounded.mae, errors.reduce(0, +) / 6 / 255, accuracy: 1e-6)
  }

  func testAFaultLeavesWhatWasThere() throws {
    struct Fault: Error {}
    try twoPictures()
    _ = try scratch.write(Array("mine".utf8), "out.csv")
    let images = try SubmissionImage.list(scratch.file("in"))
    var calls = 0
    XCTAssertThrowsError(
      try Submission(images, format: .init()).write(to: scratch.file("out.csv")) { image in
        calls += 1
        if calls == 2 { throw Fault() }
        return try Image(contentsOf: image.path)
      })
    XCTAssertEqual(scratch.names, ["in", "out.csv"])
    XCTAssertEqual(try contents(), "mine")
    let other = Image(width: 5, height: 5, channels: 1, pixels: Array(repeating: 0, count: 25))
    XCTAssertThrowsError(
      try Submission(images, format: .init()).write(to: scratch.file("out.csv")) { _ in other })
  }

  private func contents() throws -> String {
    try String(contentsOfFile: scratch.file("out.csv"), encoding: .utf8)
  }

  /// More text than any buffer holds.
  func testALongFileComesOutWhole() throws {
    try picture("a.png", 700, (0..<700 * 300).map { $0 % 256 })
    try submit(.init(range: .byte))
    let rows = try lines()
    XCTAssertEqual(rows.count, 700 * 300 + 1)
    for index in stride(from: 0, to: 700 * 300, by: 997) {
      XCTAssertEqual(rows[index + 1], "a_\(index / 700 + 1)_\(index % 700 + 1),\(index % 256)")
    }
    try submit(.init(form: .image, range: .byte))
    XCTAssertEqual(try lines()[1].split(separator: " ").count, 700 * 300)
  }
}
