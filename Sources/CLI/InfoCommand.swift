import ArgumentParser
import Kernels
import Restormer

/// `restormer info FILE`: what weights hold.
struct InfoCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "info",
    abstract: "Prints what a weights file holds, and what the network costs at a given size.",
    discussion: "Example: restormer info Examples/test-weights.safetensors --size 1280x720")

  @Argument(help: "A .safetensors or PyTorch .pth file, or the name of a bundled model.")
  var file: String

  @OptionGroup var weightsOptions: WeightsOptions

  @Option(
    name: .long, parsing: .unconditional, help: "Image size for cost and memory, WIDTHxHEIGHT.")
  var size = "256x256"

  @Flag(name: .long, help: "List every tensor.")
  var tensors = false

  @Flag(name: .long, help: "Print it as JSON, sizes in bytes.")
  var json = false

  func run() throws {
    let (width, height) = try parseSize(size)
    let bundled = try BundledModel(named: file)
    if bundled == nil { try ChosenModel.checkFile(file) }
    let state = try bundled?.state ?? StateDict(contentsOf: file, key: weightsOptions.paramKey)
    if json {
      let weights = try bundled?.weights ?? ModelWeights(state, from: file)
      return try Console.printJSON(
        WeightsFacts(file, state, weights, width, height, listsTensors: tensors))
    }
    Console.print("file           \(file)")
    Console.print("format         \(state.format)")
    let types = Set(state.tensors.map(\.type.rawValue)).sorted().joined(separator: ", ")
    Console.print("tensors        \(state.tensors.count) (\(types))")
    for (key, value) in state.metadata.sorted(by: { $0.key < $1.key }) {
      Console.print("metadata       \(key) = \(value.prefix(200).filter { !$0.isNewline })")
    }
    if tensors {
      for tensor in state.tensors {
        Console.print("  \(tensor.name)  \(tensor.shape)  \(tensor.type.rawValue)")
      }
    }
    let weights = try bundled?.weights ?? ModelWeights(state, from: file)
    for note in weights.notes { Console.print("note           \(note)") }
    Console.print("parameters     \(grouped(weights.model.parameterCount))")
    Console.print("configuration  \(weights.model.configuration.summary)")
    printCost(weights.model, width: width, height: height)
  }

  private func printCost(_ model: RestormerModel, width: Int, height: Int) {
    let cost = model.cost(width: width, height: height)
    let giga = String(format: "%.1f", Double(cost.multiplyAdds) / 1e9)
    Console.print(
      "at \(width)x\(height)\(String(repeating: " ", count: max(1, 11 - size.count)))"
        + " \(giga) G multiply-adds")
    Console.print(
      "memory         \(gigabytes(cost.activationBytes)) of activations and "
        + "\(gigabytes(cost.parameterBytes)) of parameters to restore it whole; "
        + "\(gigabytes(cost.leanActivationBytes)) of activations where that does not fit")
  }
}

/// What `info --json` tells.
private struct WeightsFacts: Encodable {
  struct Tensor: Encodable {
    let name: String
    let shape: [Int]
    let type: String
  }
  struct Cost: Encodable {
    let width: Int
    let height: Int
    let multiplyAdds: Int
    let activationBytes: Int
    let leanActivationBytes: Int
    let parameterBytes: Int
  }
  let file: String
  let format: String
  let tensorCount: Int
  let types: [String]
  let metadata: [String: String]
  let parameters: Int
  let configuration: String
  let cost: Cost
  var tensors: [Tensor]?

  init(
    _ file: String, _ state: StateDict, _ weights: ModelWeights, _ width: Int, _ height: Int,
    listsTensors: Bool
  ) {
    (self.file, format, tensorCount) = (file.printable, state.format, state.tensors.count)
    types = Set(state.tensors.map(\.type.rawValue)).sorted()
    metadata = state.metadata
    parameters = weights.model.parameterCount
    configuration = weights.model.configuration.summary
    let cost = weights.model.cost(width: width, height: height)
    self.cost = Cost(
      width: width, height: height, multiplyAdds: cost.multiplyAdds,
      activationBytes: cost.activationBytes, leanActivationBytes: cost.leanActivationBytes,
      parameterBytes: cost.parameterBytes)
    guard listsTensors else { return }
    tensors = state.tensors.map {
      Tensor(name: $0.name, shape: $0.shape, type: $0.type.rawValue)
    }
  }
}

/// Reads `WIDTHxHEIGHT`, or one number for a square.
/// - Throws: `ValidationError` naming the text.
func parseSize(_ text: String) throws -> (width: Int, height: Int) {
  let numbers = text.lowercased().split(separator: "x", omittingEmptySubsequences: false).map {
    Int($0)
  }
  let parts = numbers.count == 1 ? numbers + numbers : numbers
  guard parts.count == 2, let width = parts[0], let height = parts[1],
    (1...ImageHeader.maximumSide).contains(width), (1...ImageHeader.maximumSide).contains(height)
  else {
    throw ValidationError(
      "size '\(text)': expected WIDTHxHEIGHT, such as 1280x720, each from 1 to "
        + "\(ImageHeader.maximumSide)")
  }
  return (width, height)
}

/// An integer with thousands separated: `26,126,644`.
func grouped(_ value: Int) -> String {
  var digits = Array(String(value))
  var index = digits.count - 3
  while index > 0 {
    digits.insert(",", at: index)
    index -= 3
  }
  return String(digits)
}
