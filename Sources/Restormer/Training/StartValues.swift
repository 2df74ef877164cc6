extension TrainingOptions {
  /// The parameters that training begins with: those of `pretrained`, or random ones.
  /// - Parameter note: hears what is to be said about the file.
  /// - Throws: errors of reading weights, `DataError` for those of another network or
  ///   normalisation.
  func startValues(of model: RestormerModel, note: (String) -> Void = { _ in }) throws -> [Float] {
    guard let path = pretrained else {
      return ModelWeights.initialized(model, seed: seed).values
    }
    let weights = try ModelWeights(contentsOf: path, key: pretrainedKey)
    for text in weights.notes { note("\(path): \(text)") }
    guard weights.model.configuration == self.model else {
      throw DataError(
        "\(path): its network is \(weights.model.configuration.summary), "
          + "expected \(self.model.summary)")
    }
    guard weights.normalization == normalization else {
      throw DataError(
        "\(path): trained with mean \(weights.normalization.mean) and std "
          + "\(weights.normalization.std), the options say mean \(normalization.mean) "
          + "and std \(normalization.std)")
    }
    return weights.values
  }
}
