import CBundledModels
import Foundation

/// Trained weights inside the program, for whoever has none of their own.
public struct BundledModel: Sendable {
  /// The name to call it by.
  public let name: String
  /// What it is for, in one line.
  public let purpose: String
  /// How it was trained, in one line.
  public let training: String
  /// What it gains, measured, in one line.
  public let gain: String
  /// The network and its parameters.
  public let weights: ModelWeights
  /// The tensors as they are stored.
  public let state: StateDict

  /// The names of all; the first is the one for whoever names none.
  public static let names = embedded.map(\.name)

  /// The model for whoever names none.
  /// - Throws: as `init(named:)`.
  public static func standard() throws -> BundledModel { try BundledModel(embedded[0]) }

  /// The model called `name`, or nil where there is none.
  ///
  /// - Throws: `WeightsError` and `ModelError` as for a file.
  public init?(named name: String) throws {
    guard let file = Self.embedded.first(where: { $0.name == name }) else { return nil }
    try self.init(file)
  }

  private init(_ file: Embedded) throws {
    let path = "bundled model \(file.name)"
    let reader = SafetensorsReader(path: path, data: file.data)
    let state = try reader.stateDict()
    let weights = try ModelWeights(state, from: path)
    func line(_ key: String) -> String { weights.metadata[key] ?? "not recorded" }
    (name, self.weights, self.state) = (file.name, weights, state)
    (purpose, training, gain) = (line("purpose"), line("training"), line("gain"))
  }

  /// A file of the folder `Models`, in the program's constants.
  private struct Embedded: Sendable {
    let name: String
    let data: Data
  }

  private static let embedded: [Embedded] = (0...)
    .lazy.map { restormer_bundled_model($0) }.prefix { $0 != nil }.compactMap { $0?.pointee }
    .map { file in
      // Nobody writes to a constant, and nobody frees it.
      let bytes = UnsafeMutableRawPointer(mutating: file.bytes)
      return Embedded(
        name: String(cString: file.name),
        data: bytes.map { Data(bytesNoCopy: $0, count: file.size, deallocator: .none) } ?? Data())
    }
}
