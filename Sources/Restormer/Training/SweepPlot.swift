/// The validation curves of a sweep as an SVG picture.
struct SweepPlot {
  let name: String
  let keys: [String]
  let results: [SweepResult]

  /// PSNR over steps, a curve for each run that has been validated.
  var svg: String {
    let counts = keys.indices.map { key in (results.map { $0.run.choices[key] }.max() ?? 0) + 1 }
    let curves = results.compactMap { result -> LinePlot.Curve? in
      guard !result.validations.isEmpty else { return nil }
      let style = Self.style(result.run.choices, of: counts)
      return LinePlot.Curve(
        name: result.run.values.map(\.value).joined(separator: " · "),
        points: result.validations.map { (Double($0.step), $0.scores.psnr) },
        color: style.color, dash: style.dash)
    }
    return LinePlot(
      title: name, xTitle: "step", yTitle: "validation PSNR (dB)",
      legendTitle: keys.joined(separator: " · "), curves: curves
    ).svg
  }

  /// Dashes tell the values of the last key, colours the others, if there are few enough; else both
  /// count on.
  private static func style(
    _ choices: [Int], of counts: [Int]
  ) -> (color: Int, dash: Int) {
    let (colors, dashes) = (LinePlot.colors.count, LinePlot.dashes.count)
    let others = zip(choices, counts).dropLast().reduce(0) { $0 * $1.1 + $1.0 }
    let last = choices.last ?? 0
    if counts.count > 1, counts.last ?? 0 <= dashes, counts.dropLast().reduce(1, *) <= colors {
      return (others, last)
    }
    let number = others * (counts.last ?? 1) + last
    return (number % colors, number / colors % dashes)
  }
}
