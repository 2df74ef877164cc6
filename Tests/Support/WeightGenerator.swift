import Basics
import Restormer

/// Values defined bit-exactly by a name: FNV-1a of the name seeds SplitMix64 (golden case 05).
public struct WeightGenerator: Sendable {
  private let salt: String

  public init(salt: String) { self.salt = salt }

  /// The values of the tensor `name`: uniform images for "input" and "target", initialised weights
  /// otherwise.
  public func values(name: String, shape: [Int]) -> [Float] {
    var state = hash(name)
    let count = shape.reduce(1, *)
    let isImage = name == "input" || name == "target"
    let isScale =
      name.hasSuffix("temperature") || (shape.count != 4 && name.hasSuffix(".weight"))
    let fanIn = shape.count == 4 ? shape[1] * shape[2] * shape[3] : 1
    let bound = (3 / Double(fanIn)).squareRoot()
    return (0..<count).map { _ in
      let u = nextUnit(&state)
      if isImage { return Float(u) }
      let centred = 2 * u - 1
      if isScale { return Float(1 + 0.1 * centred) }
      return Float(shape.count == 4 ? centred * bound : 0.1 * centred)
    }
  }

  /// All parameters of `model` in its contiguous block.
  public func weights(_ model: RestormerModel) -> [Float] {
    var block = [Float](repeating: 0, count: model.parameterExtent)
    for spec in model.parameters {
      block.replaceSubrange(
        spec.offset..<spec.offset + spec.count,
        with: values(name: spec.name, shape: spec.officialShape))
    }
    return block
  }

  private func hash(_ name: String) -> UInt64 {
    (salt + name).utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }

  private func nextUnit(_ state: inout UInt64) -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    z ^= z >> 31
    return Double(z >> 40) * 0x1p-24
  }
}
