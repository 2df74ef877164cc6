import Foundation
import TestSupport

@testable import Restormer

extension Reader {
  /// Writes small whole files, from which the fuzzer sets out beside those of `Tests/Samples`, into
  /// `folder`.
  func writeSeeds(to folder: String) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    for (index, bytes) in try seeds().enumerated() {
      try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/seed-\(index)"))
    }
  }

  private func seeds() throws -> [[UInt8]] {
    switch self {
    case .safetensors:
      try [tensors([:]), tensors(["restormer.mean": "0.5", "restormer.std": "0.5"])]
    case .legacy: Self.pickles.map { LegacyFile($0).bytes }
    case .zip:
      Self.pickles.flatMap { object in
        [false, true].map { isDeflated in
          TestSupport.zip(
            [
              ("x/data.pkl", PickleText.pickle(object)), ("x/byteorder", Array("little".utf8)),
              ("x/data/0", PickleText.floats([1, 2, 3, 4])),
            ], isDeflated: isDeflated)
        }
      }
    case .pickle: Self.pickles.map(PickleText.pickle)
    case .state: [try tensors(["kind": "restormer training state 1", "step": "3"])]
    case .png: try pictures(.png)
    case .jpeg: try pictures(.jpeg)
    case .tiff, .webp, .bmp, .events, .manifest: []
    case .options:
      [Array(TrainingOptions().yaml.utf8), Self.text("name: a\ntrain: {optim_g: {type: SGD}}\n")]
    case .sweep:
      [
        Self.text(
          "base: {steps: 3}\ngrid:\n  loss: [l1, mse]\n  optimizer:\n    - sgd: {lr: 0.1}\n")
      ]
    case .sample:
      [
        Self.text("id,value\n1_1_1,0.5\n\"1_1_2\",1\n"),
        Self.text("\u{FEFF}id,values\r\na,1 2\r\n"),
      ]
    case .metrics: [Self.text("step,psnr,ssim,val_l1,val_l2\n1,20.5,0.9,0.1,0.01\n2,,,,\n")]
    case .tuning:
      [
        Self.text(
          "Conv1x1 48x144 16: blockRows=8 blockVectors=3 vectorWidth=16\nConv1x1 48x48 16: \n")
      ]
    }
  }

  private static func text(_ text: String) -> [UInt8] { Array(text.utf8) }

  private func tensors(_ metadata: [String: String]) throws -> [UInt8] {
    let path = NSTemporaryDirectory() + "seed-\(getpid())"
    defer { unlink(path) }
    let tensors = [
      NamedTensor(name: "patch_embed.proj.weight", shape: [2, 1, 1, 1], values: [1, 2]),
      NamedTensor(name: "parameters", shape: [3], values: [1, 2, 3]),
    ]
    try StateDict(tensors: tensors, metadata: metadata).writeSafetensors(to: path, as: .float16)
    return Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  private func pictures(_ format: ImageFormat) throws -> [[UInt8]] {
    try [(1, 8, false), (3, 8, false), (3, 16, true), (1, 16, true)].map { channels, depth, alpha in
      let image = Image(
        width: 9, height: 7, channels: channels,
        pixels: (0..<channels * 63).map { Float($0 % 17) / 16 },
        alpha: alpha ? (0..<63).map { Float($0) / 62 } : nil, bitDepth: depth, iccProfile: nil)
      return try image.encode(format: format)
    }
  }

  private static var pickles: [[UInt8]] {
    let tensor = PickleText.tensor(storage: "0", count: 4, shape: [2, 1], strides: [1, 2])
    let typed = PickleText.tensor(
      storage: "0", type: "Untyped", count: 16, shape: [4], strides: [1], element: "float8_e5m2")
    let parameter = PickleText.call("torch._utils", "_rebuild_parameter", [tensor, [0x88]])
    return [
      PickleText.dictionary(["a": tensor, "epoch": PickleText.integer(3)]),
      PickleText.dictionary(["a": typed, "device": PickleText.call("torch", "device", [])]),
      PickleText.dictionary([
        "params": PickleText.dictionary(["module.patch_embed.proj.weight": parameter]),
        "params_ema": PickleText.dictionary(["patch_embed.proj.weight": tensor]),
        "log": PickleText.call("collections", "defaultdict", [PickleText.list([])]),
      ]),
    ]
  }
}
