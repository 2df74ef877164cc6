import Kernels

/// Times whole passes of one model on two backends in turns, so that whatever else the machine does
/// strikes both alike.
package struct ModelComparison {
  private let weights: ModelWeights
  private let image: Shape
  private let batch: Shape
  private let rounds: Int

  /// Compares restoring `image` and training on `batch`, each `rounds` times.
  package init(_ weights: ModelWeights, image: Shape, batch: Shape, rounds: Int) {
    (self.weights, self.image, self.batch, self.rounds) = (weights, image, batch, rounds)
  }

  /// The median over the rounds of the time on `backend` as a share of that on `other`.
  /// - Throws: the backends' errors.
  package func time(
    of backend: some Backend, beside other: some Backend
  ) throws -> RelativeTime {
    func passes(_ backend: some Backend) throws -> RelativeTime {
      let benchmark = ModelBenchmark(weights, on: backend, repeats: 1)
      return RelativeTime(
        restoring: try benchmark.inference(image).timing.median,
        training: try benchmark.training(batch, recompute: false).timing.median)
    }
    var shares: [RelativeTime] = []
    for round in 0..<max(1, rounds) {
      let first = round.isMultiple(of: 2) ? nil : try passes(other)
      let mine = try passes(backend)
      let theirs = try first ?? passes(other)
      shares.append(
        RelativeTime(
          restoring: mine.restoring / theirs.restoring, training: mine.training / theirs.training))
    }
    return RelativeTime(
      restoring: Timing(shares.map(\.restoring)).median,
      training: Timing(shares.map(\.training)).median)
  }
}
