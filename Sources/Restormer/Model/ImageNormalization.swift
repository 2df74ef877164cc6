/// How image values in [0, 1] were shifted and scaled for the network: `(x - mean) / std` per
/// channel.
///
/// Written into the weights' metadata by training, applied to the input and undone on the output by
/// restoring, always before values are clamped to [0, 1].
public struct ImageNormalization: Hashable, Sendable {
  /// Subtracted, per channel; one number serves all channels.
  public let mean: [Float]
  /// Divided by, per channel.
  public let std: [Float]

  /// Values in [0, 1] go to the network as they are.
  public static let none = ImageNormalization(mean: [0], std: [1])

  /// [0, 1] becomes [-1, 1].
  public static let symmetric = ImageNormalization(mean: [0.5], std: [0.5])

  init(mean: [Float], std: [Float]) { (self.mean, self.std) = (mean, std) }

  /// A checked normalisation.
  /// - Throws: `ModelError` when the counts differ, a number is not finite or a deviation not
  ///   positive.
  public init(checkingMean mean: [Float], std: [Float]) throws {
    guard !mean.isEmpty, mean.count == std.count else {
      throw ModelError("normalisation has \(mean.count) means and \(std.count) deviations")
    }
    guard mean.allSatisfy(\.isFinite), std.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw ModelError("normalisation mean \(mean), std \(std): expected finite, std above 0")
    }
    self.init(mean: mean, std: std)
  }

  static let meanKey = "restormer.mean"
  static let stdKey = "restormer.std"

  /// Reads the declaration from a weights file's metadata; none when it says nothing.
  init(metadata: [String: String]) throws {
    switch (metadata[Self.meanKey], metadata[Self.stdKey]) {
    case (nil, nil): self = .none
    case (let mean?, let std?):
      try self.init(checkingMean: Self.parse(mean), std: Self.parse(std))
    // Half a declaration ignored would silently restore with the wrong values.
    case (nil, _?): throw ModelError("the metadata has \(Self.stdKey) without \(Self.meanKey)")
    case (_?, nil): throw ModelError("the metadata has \(Self.meanKey) without \(Self.stdKey)")
    }
  }

  /// The declaration as metadata; empty for `none`.
  var metadata: [String: String] {
    guard self != .none else { return [:] }
    return [
      Self.meanKey: mean.map(\.description).joined(separator: ","),
      Self.stdKey: std.map(\.description).joined(separator: ","),
    ]
  }

  private static func parse(_ list: String) throws -> [Float] {
    try list.split(separator: ",").map { item in
      guard let value = Float(item.filter { $0 != " " }) else {
        throw ModelError("normalisation value '\(item.prefix(40))' is not a number")
      }
      return value
    }
  }

  /// Applies the normalisation to planar pixels of `channels` planes.
  public func apply(to pixels: inout [Float], channels: Int) {
    transform(&pixels, channels: channels) { ($0 - $1) / $2 }
  }

  /// Undoes the normalisation.
  public func undo(on pixels: inout [Float], channels: Int) {
    transform(&pixels, channels: channels) { $0 * $2 + $1 }
  }

  private func transform(
    _ pixels: inout [Float], channels: Int, _ body: (Float, Float, Float) -> Float
  ) {
    guard self != .none else { return }
    let plane = pixels.count / channels
    for channel in 0..<channels {
      let (mean, std) = (mean[channel % mean.count], std[channel % std.count])
      for index in channel * plane..<(channel + 1) * plane {
        pixels[index] = body(pixels[index], mean, std)
      }
    }
  }
}
