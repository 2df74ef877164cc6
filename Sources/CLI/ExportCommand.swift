import ArgumentParser
import Foundation
import Restormer

/// `restormer export MODEL -o FILE`: the network for other programs.
struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes weights as .onnx, .pth or .safetensors for other programs.",
    discussion: """
      Example: restormer export Examples/test-weights.safetensors -o network.onnx

      .onnx holds the whole network (opset 18): input and output are [batch, channels, height, \
      width] in [0, 1], height \
      and width multiples of 8. .pth is what Restormer's authors publish, a state dict under the \
      key params.
      """)

  @Argument(help: "Weights: .safetensors, .pth, or the name of a bundled model.")
  var model: String

  @OptionGroup var weightsOptions: WeightsOptions

  @Option(name: [.short, .long], help: "The file to write: .onnx, .pth or .safetensors.")
  var output: String

  @Option(name: .long, help: "f32, f16 or bf16: how .pth and .safetensors store the weights.")
  var type = StoredType.f32

  @Flag(name: .long, help: "Put the weights of an .onnx file into a file FILE.data beside it.")
  var beside = false

  @Flag(name: .long, help: "Replace a file that exists.")
  var overwrite = false

  func run() throws {
    let kind = (output as NSString).pathExtension.lowercased()
    guard ["onnx", "pth", "safetensors"].contains(kind) else {
      throw ValidationError(
        "--output \(output): expected a name ending in .onnx, .pth or .safetensors")
    }
    guard !beside || kind == "onnx" else { throw ValidationError("--beside is for .onnx files") }
    guard kind != "onnx" || type == .f32 else {
      throw ValidationError("--type \(type.rawValue): .onnx files are written in f32")
    }
    for path in [output] + (beside ? [output + ".data"] : [])
    where !overwrite && FileManager.default.fileExists(atPath: path) {
      throw ExportFailure(description: "\(path) exists (--overwrite replaces it)")
    }
    let weights = try ChosenModel(model, key: weightsOptions.paramKey).weights
    switch kind {
    case "onnx": try weights.writeONNX(to: output, weightsBeside: beside)
    case "pth":
      try weights.state.writePyTorch(to: output, as: type.elements)
      if weights.normalization != .none {
        Console.warn(
          "\(output): the file cannot say that images are normalised with mean "
            + "\(weights.normalization.mean) and std \(weights.normalization.std)")
      }
    default: try weights.state.writeSafetensors(to: output, as: type.elements)
    }
    Console.note("\(output): \(grouped(weights.model.parameterCount)) parameters")
  }

  /// How numbers are stored.
  enum StoredType: String, CaseIterable, ExpressibleByArgument {
    case f32
    case f16
    case bf16

    var elements: ElementType {
      switch self {
      case .f32: .float32
      case .f16: .float16
      case .bf16: .bfloat16
      }
    }
  }
}

private struct ExportFailure: Error, CustomStringConvertible {
  let description: String
}
