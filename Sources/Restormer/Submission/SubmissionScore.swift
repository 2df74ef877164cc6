/// Errors of written values against targets, over all pixels of all images, in the file's own
/// range.
package struct SubmissionScore: Sendable {
  /// Values compared.
  package private(set) var count = 0
  private var squares = 0.0
  private var magnitudes = 0.0

  /// The root of the mean squared error.
  package var rmse: Double { (squares / Double(max(1, count))).squareRoot() }
  /// The mean of the absolute error.
  package var mae: Double { magnitudes / Double(max(1, count)) }

  mutating func add(_ values: [Int32], against target: [Float], _ format: SubmissionFormat) {
    let (step, white) = (1 / Double(format.unit), format.range.white)
    for (value, reference) in zip(values, target) {
      let error = Double(value) * step - Double(reference) * white
      squares += error * error
      magnitudes += abs(error)
    }
    count += min(values.count, target.count)
  }
}
