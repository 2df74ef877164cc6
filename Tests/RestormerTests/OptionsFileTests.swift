import Foundation
import Restormer
import XCTest

final class OptionsFileTests: XCTestCase {
  private func options(_ text: String) throws -> TrainingOptions {
    let path = NSTemporaryDirectory() + "options-\(UUID().uuidString).yml"
    defer { unlink(path) }
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    return try TrainingOptions(contentsOf: path)
  }

  func testShippedFilesAreRead() throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Examples/options").standardized.path
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
    XCTAssertGreaterThanOrEqual(files.count, 8)
    for file in files {
      let options = try TrainingOptions(contentsOf: "\(folder)/\(file)")
      XCTAssertNil(options.fault, file)
      let copy = try self.options(options.yaml())
      XCTAssertEqual(
        copy.fields.map { "\($0)" }, options.fields.map { "\($0)" },
        "\(file) written and read again")
      if file != "document-deblurring.yml" {
        XCTAssertEqual(options.totalSteps, 300_000, file)
        XCTAssertEqual(options.stages.map(\.patch), [128, 160, 192, 256, 320, 384], file)
        XCTAssertEqual(options.rate.rate(step: 0), 3e-4, accuracy: 1e-12, file)
        XCTAssertEqual(options.model.dim, 48, file)
      }
    }
  }

  func testUnknownKeysSuggestTheNearest() {
    XCTAssertThrowsError(try options("train:\n  optim_g:\n    weight_decya: 0.1\n")) {
      XCTAssertTrue(
        "\($0)".hasSuffix("unknown key train.optim_g.weight_decya, did you mean weight_decay?"),
        "\($0)")
    }
  }

  func testValuesOfTheWrongKindAreNamed() {
    for (text, part) in [
      ("network_g:\n  dim: wide\n", "network_g.dim: wide, expected a whole number"),
      ("network_g:\n  dim: 7\n", "dim is 7"),
      ("train:\n  scheduler:\n    type: StepLR\n", "train.scheduler.type: 'StepLR'"),
      ("datasets: [1\n", "yml"),
    ] {
      XCTAssertThrowsError(try options(text), text) {
        XCTAssertTrue("\($0)".contains(part), "\($0)")
        XCTAssertFalse("\($0)".contains("\n"), "\($0)")
      }
    }
  }

  func testRatesWithoutADotAreNumbers() throws {
    let read = try options(
      "train:\n  optim_g:\n    type: AdamW\n    lr: 3e-4\n    betas: [0.9, 0.99]\n")
    XCTAssertEqual(read.rate.base, 3e-4)
    XCTAssertEqual(read.optimizer.beta2, 0.99)
  }
}
