/// Why a set of tensors is not a Restormer.
public struct ModelError: Error, CustomStringConvertible, Sendable, Equatable {
  /// The fault in one line.
  public let description: String

  init(_ description: String) { self.description = description }
}

extension ModelConfiguration {
  /// Infers the configuration from parameter names and shapes alone.
  /// - Parameter shapes: official shape by state-dict name.
  /// - Throws: `ModelError` naming the tensor that is missing or has an impossible shape.
  public init(inferredFrom shapes: [String: [Int]]) throws {
    self.init()
    let embedding = try Self.shape("patch_embed.proj.weight", rank: 4, in: shapes)
    (dim, inputChannels) = (embedding[0], embedding[1])
    outputChannels = try Self.shape("output.weight", rank: 4, in: shapes)[0]
    blocks = Self.stages.map { Self.blockCount($0, in: shapes) }
    refinementBlocks = Self.blockCount("refinement", in: shapes)
    guard (blocks + [refinementBlocks]).reduce(0, +) <= shapes.count / 4 else {
      throw ModelError("there are more blocks than \(shapes.count) tensors can make up")
    }
    heads = try Self.stages.enumerated().map { level, stage in
      // The refinement works with the heads of the first level, which may have no blocks of its
      // own.
      let first = level == 0 && blocks[0] == 0 ? "refinement" : stage
      guard shapes["\(first).0.attn.temperature"] != nil else { return 1 }
      return try Self.shape("\(first).0.attn.temperature", rank: 3, in: shapes)[0]
    }
    normalization =
      shapes.keys.contains { $0.hasSuffix(".norm1.body.bias") } ? .withBias : .biasFree
    bias = shapes.keys.contains { $0.hasSuffix(".attn.qkv.bias") } || shapes["output.bias"] != nil
    dualPixel = shapes["skip_conv.weight"] != nil
    expansion = try Self.expansion(in: shapes)
    if let fault {
      throw ModelError("these tensors are not a Restormer that can be built: \(fault)")
    }
    try checkFirstBlocks(shapes)
  }

  private static let stages = ["encoder_level1", "encoder_level2", "encoder_level3", "latent"]

  /// Compares what was inferred with one tensor of each stage: a network of absurd size would not
  /// even be countable.
  private func checkFirstBlocks(_ shapes: [String: [Int]]) throws {
    let widths = (0..<4).map(channels) + [channels(level: 1)]
    let counts = blocks + [refinementBlocks]
    for (index, stage) in (Self.stages + ["refinement"]).enumerated() where counts[index] > 0 {
      let name = "\(stage).0.ffn.project_out.weight"
      let (found, width) = (try Self.shape(name, rank: 4, in: shapes), widths[index])
      guard found[..<2] == [width, hidden(width)] else {
        throw ModelError(
          "\(name) has shape \(found), expected \([width, hidden(width), 1, 1])")
      }
    }
  }

  private static func shape(_ name: String, rank: Int, in shapes: [String: [Int]]) throws -> [Int] {
    guard let shape = shapes[name] else {
      throw ModelError("no tensor \(name): this is not a Restormer state dict")
    }
    guard shape.count == rank, shape.allSatisfy({ (1..<1 << 16).contains($0) }) else {
      throw ModelError(
        "\(name) has shape \(shape.prefix(8)), expected \(rank) dimensions of 1 to 65535")
    }
    return shape
  }

  private static func blockCount(_ stage: String, in shapes: [String: [Int]]) -> Int {
    var count = 0
    while shapes["\(stage).\(count).attn.temperature"] != nil { count += 1 }
    return count
  }

  /// The factor with the fewest decimals for which `Int(dim * factor)` is the hidden size of every
  /// block.
  private static func expansion(in shapes: [String: [Int]]) throws -> Double {
    let names = shapes.keys.filter { $0.hasSuffix(".ffn.project_out.weight") }
    guard !names.isEmpty else { throw ModelError("no block has ffn.project_out.weight") }
    let sizes = Set(try names.sorted().map { Array(try shape($0, rank: 4, in: shapes)[..<2]) })
    let matches = { (factor: Double) in
      sizes.allSatisfy { (Double($0[0]) * factor).rounded(.down) == Double($0[1]) }
    }
    let lowest = sizes.map { Double($0[1]) / Double($0[0]) }.max() ?? 0
    if matches(2.66) { return 2.66 }
    for scale in [1.0, 10, 100, 1000, 10_000, 100_000] {
      let candidate = (lowest * scale).rounded(.up) / scale
      if matches(candidate) { return candidate }
    }
    for factor in [lowest, lowest.nextUp] where matches(factor) { return factor }
    throw ModelError("the hidden sizes of the feed-forward networks fit no single expansion factor")
  }
}
