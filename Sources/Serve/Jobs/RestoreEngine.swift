import Foundation
import Kernels
import Restormer

/// Restores with a list of models on one device. The network of the last job stays ready for the
/// next.
public final class RestoreEngine: ImageEngine, @unchecked Sendable {
  public let device: String
  public let models: [OfferedModel]

  private typealias Restoring = (
    Bitmap, _ progress: (Double) throws -> Void
  ) throws -> Restored<Bitmap>
  private struct Key: Hashable {
    let model: String
    let ensemble: Bool
    let evenSharp: Bool
  }

  private let backend: OpenedBackend
  private let weights: [String: ModelWeights]
  private let precision: PrecisionChoice
  private var ready: (key: Key, restore: Restoring)?

  /// - Parameters:
  ///   - backend: where to compute.
  ///   - models: names, purposes and weights; the first is the one for whoever names none.
  ///   - precision: how precisely is computed, and how activations are stored.
  /// - Throws: `DeviceError` for a precision that the backend does not have.
  public init(
    on backend: OpenedBackend, models: [(name: String, purpose: String, weights: ModelWeights)],
    precision: PrecisionChoice = .automatic
  ) throws {
    self.precision = precision
    precondition(!models.isEmpty, "RestoreEngine: no models")
    (self.backend, device) = (try precision.prepare(backend), backend.name)
    self.models = models.map {
      OfferedModel(
        name: $0.name, purpose: $0.purpose,
        leavesSharpAlone: $0.weights.leastCrispnessGain != nil)
    }
    weights = Dictionary(models.map { ($0.name, $0.weights) }) { first, _ in first }
  }

  public func restore(
    _ file: Data, _ request: JobRequest, progress: (Double) throws -> Void
  ) throws -> RestoredImage {
    let (image, source) = try file.withUnsafeBytes {
      (try Bitmap(bytes: $0), try Image.header(of: $0).format)
    }
    let restored = try restoring(request)(image, progress)
    let format = request.format ?? (source == .jpeg ? .jpeg : .png)
    let isLeftAlone = restored.decision.isLeftAlone
    return RestoredImage(
      data: isLeftAlone && format == source
        ? file : Data(try restored.picture.encode(format: format)),
      format: format, isLeftAsItIs: isLeftAlone, decision: restored.decision.exception)
  }

  private func restoring(_ request: JobRequest) throws -> Restoring {
    let key = Key(
      model: request.model, ensemble: request.ensemble, evenSharp: request.evenSharp)
    if let ready, ready.key == key { return ready.restore }
    guard let weights = weights[request.model] else {
      throw ServeError("no model is called \(request.model)")
    }
    // The old network's memory goes back before the new one's is taken.
    ready = nil
    var options = RestoreOptions()
    options.precision = precision
    options.ensemble = request.ensemble
    options.evenSharp = request.evenSharp
    let restore = try Self.prepare(weights, options, on: backend.backend)
    ready = (key, restore)
    return restore
  }

  private static func prepare(
    _ weights: ModelWeights, _ options: RestoreOptions, on backend: some Backend
  ) throws -> Restoring {
    let restorer = try Restorer(weights, on: backend, options: options)
    return { try restorer.restore($0, progress: $1) }
  }
}
