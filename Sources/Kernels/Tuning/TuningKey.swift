/// What the tuner chooses for: an operator, the channels of its images, and about how many pixels
/// they have.
package struct TuningKey: Hashable, Sendable, CustomStringConvertible {
  /// The operator's name.
  public let family: String
  /// Channels of the inputs and outputs that have as many pixels as the first input.
  let channels: [Int]
  /// Pixels of a batch, as the power of two at or below.
  let scale: Int

  /// The key of `op` applied to `inputs`.
  public init(_ op: any Op, _ inputs: [Shape]) {
    family = op.name
    let plane = inputs.first?.plane ?? 1
    channels = (inputs + op.outputShapes(inputs)).filter { $0.plane == plane }.map(\.c)
    let pixels = max(1, (inputs.first?.n ?? 1) * plane)
    scale = Int.bitWidth - 1 - pixels.leadingZeroBitCount
  }

  /// The key that `description` gave, or nil.
  init?(_ text: Substring) {
    let fields = text.split(separator: " ")
    guard fields.count == 3, let scale = Int(fields[2]) else { return nil }
    let channels = fields[1].split(separator: "x").map { Int($0) }
    guard !channels.isEmpty, !channels.contains(nil) else { return nil }
    self.family = String(fields[0])
    self.channels = channels.compactMap { $0 }
    self.scale = scale
  }

  /// For instance `Conv1x1 48x144 16`.
  public var description: String {
    "\(family) \(channels.map(String.init).joined(separator: "x")) \(scale)"
  }
}
