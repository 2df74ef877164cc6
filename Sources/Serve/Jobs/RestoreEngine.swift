import Foundation
import Kernels
import Restormer

/// Restores with a list of models on one device. The network of the last job stays ready for the next.
public final class RestoreEngine: ImageEngine, @unchecked Sendable {
  public let device: String
  public let models: [OfferedModel]

  private typealias Restoring = (Image, _ progress: (Double) throws -> Void) throws -> Restored
  private struct Key: Hashable {
    let model: String
    let ensemble: Bool
    let evenSharp: Bool
  }

  private let backend: OpenedBackend
  private let weights: [String: ModelWeights]
  private var ready: (key: Key, restore: Restoring)?

  /// - Parameter models: names, purposes and weights; the first is the one for whoever names none.
  public init(
    on backend: OpenedBackend, models: [(name: String, purpose: String, weights: ModelWeights)]
  ) {
    precondition(!models.isEmpty, "RestoreEngine: no models")
    (self.backend, device) = (backend, backend.name)
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
    let image = try file.withUnsafeBytes { try Image(bytes: $0) }
    let restored = try restoring(request)(image, progress)
    let format = request.format ?? (file.first == 0xFF ? .jpeg : .png)
    let data = Data(try (restored.image ?? image).encode(format: format))
    return RestoredImage(data: data, format: format, isLeftAsItIs: restored.image == nil)
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
    options.ensemble = request.ensemble
    options.evenSharp = request.evenSharp
    let restore = try backend.accept(
      Preparation(weights: weights, options: options, evenSharp: request.evenSharp))
    ready = (key, restore)
    return restore
  }

  /// A result, or nothing for a picture that is better left alone.
  private struct Restored {
    let image: Image?
  }

  private struct Preparation: BackendVisitor {
    let weights: ModelWeights
    let options: RestoreOptions
    let evenSharp: Bool

    func visit<B: Backend>(_ backend: B) throws -> Restoring {
      let restorer = try Restorer(weights, on: backend, options: options)
      return { image, progress in
        let need = restorer.hostMemoryNeed(width: image.width, height: image.height)
        guard MemoryBudget.host.holds(MemoryNeed(pieces: need)) else {
          throw ServeError(
            "\(image.width)x\(image.height) needs about \(gigabytes(need)) of memory, "
              + "more than is free")
        }
        let restored = try restorer.restore(image, progress: progress)
        let isKept = !evenSharp && weights.leavesAlone(image, restored: restored)
        return Restored(image: isKept ? nil : restored)
      }
    }
  }
}
