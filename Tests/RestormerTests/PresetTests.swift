import Foundation
import Restormer
import TestSupport
import XCTest

/// What `Examples/presets` offers for the published tasks is there and fits together.
final class PresetTests: XCTestCase {
  private struct Preset {
    let name: String
    let channels: Int
    let normalization: ModelConfiguration.Normalization
    var views = ["input"]
  }

  private let presets = [
    Preset(name: "motion-deblurring", channels: 3, normalization: .withBias),
    Preset(name: "defocus-single-image", channels: 3, normalization: .withBias),
    Preset(
      name: "defocus-dual-pixel", channels: 6, normalization: .withBias, views: ["left", "right"]),
    Preset(name: "deraining", channels: 3, normalization: .withBias),
    Preset(name: "denoising-real", channels: 3, normalization: .biasFree),
    Preset(name: "denoising-gaussian-color", channels: 3, normalization: .biasFree),
    Preset(name: "denoising-gaussian-gray", channels: 1, normalization: .biasFree),
  ]

  func testEveryTaskHasOptionsAndASample() throws {
    let list = try String(contentsOfFile: Examples.path("presets/README.md"), encoding: .utf8)
    for preset in presets {
      XCTAssertTrue(list.contains("`\(preset.name)`"), preset.name)
      let options = try TrainingOptions(
        contentsOf: Examples.path("options/\(preset.name).yml"))
      XCTAssertEqual(options.model.inputChannels, preset.channels, preset.name)
      XCTAssertEqual(options.model.normalization, preset.normalization, preset.name)
      let folder = "presets/\(preset.name)"
      let target = try Image(contentsOf: Examples.path("\(folder)/target.png"))
      for view in preset.views {
        let degraded = try Image(contentsOf: Examples.path("\(folder)/\(view).png"))
        XCTAssertEqual(degraded.channels, target.channels, "\(folder)/\(view)")
        let psnr = try Metrics.psnr(degraded, target)
        XCTAssertTrue((8...35).contains(psnr), "\(folder)/\(view): \(psnr) dB")
      }
    }
  }
}
