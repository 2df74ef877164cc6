import Foundation

/// Curves over one axis as SVG: title, ticks, grid and a legend that names the curves from the
/// highest end to the lowest.
struct LinePlot {
  /// One curve.
  struct Curve {
    let name: String
    /// By x; a curve of one point is a dot.
    let points: [(x: Double, y: Double)]
    /// Numbers of `colors` and `dashes`.
    let color: Int
    let dash: Int
  }

  let title: String
  let xTitle: String
  let yTitle: String
  let legendTitle: String
  let curves: [Curve]

  /// Okabe and Ito's colours, which those who confuse red and green tell apart; without yellow,
  /// which white swallows.
  static let colors = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
  ]
  static let dashes = ["none", "9 4", "2.5 3.5", "11 4 2.5 4"]

  /// A curve that fell this far below the best is cut off, so that the others can be told apart.
  private static let deepest = 20.0
  private static let plotWidth = 600.0
  private static let left = 70.0
  private static let top = 56.0
  private static let rowHeight = 22.0

  private var plotHeight: Double { max(380, Double(curves.count + 1) * Self.rowHeight) }
  private var legendWidth: Double {
    110 + (([legendTitle] + curves.map(\.name)).map { Self.room($0, size: 13) }.max() ?? 0)
  }
  private var width: Double {
    // Bold letters are an eighth wider.
    Self.left + max(Self.plotWidth + legendWidth, 20 + 1.125 * Self.room(title, size: 17))
  }
  /// What a text takes in the widest of the fonts that may show it, DejaVu Sans; letters of other
  /// scripts may be squares.
  private static func room(_ text: String, size: Double) -> Double {
    text.reduce(0) { $0 + ($1.isASCII ? 0.63 : 1) * size }
  }
  private var height: Double { Self.top + plotHeight + 62 }

  /// The picture.
  var svg: String {
    let size = "\(Self.text(width)) \(Self.text(height))"
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(size)" width="\(Self.text(width))" \
      height="\(Self.text(height))" role="img" font-family="system-ui, 'DejaVu Sans', Helvetica, \
      Arial, sans-serif" \
      font-size="13">
      <title>\(ReportPage.escaped("\(title): \(yTitle) by \(xTitle)"))</title>
      <rect width="100%" height="100%" fill="#ffffff"/>
      \(label(title, Self.left, 30, "font-size=\"17\" font-weight=\"600\" fill=\"#1b1f24\""))
      \((axes + lines + legend).joined(separator: "\n"))
      </svg>

      """
  }

  // MARK: Scales

  private var xRange: ClosedRange<Double> {
    let values = curves.flatMap { $0.points.map(\.x) }
    return 0...max(values.max() ?? 1, 1)
  }

  private var yRange: ClosedRange<Double> {
    let values = curves.flatMap { $0.points.map(\.y) }.filter(\.isFinite)
    guard let low = values.min(), let high = values.max() else { return 0...1 }
    let bottom = max(low, high - Self.deepest)
    let margin = max((high - bottom) * 0.06, 0.05)
    return (bottom - margin)...(high + margin)
  }

  private func x(_ value: Double) -> Double {
    Self.left + Self.plotWidth * value / xRange.upperBound
  }

  private func y(_ value: Double) -> Double {
    let part = (value - yRange.lowerBound) / (yRange.upperBound - yRange.lowerBound)
    return Self.top + plotHeight * (1 - part)
  }

  /// Round numbers within a range, about `count` of them.
  static func ticks(_ range: ClosedRange<Double>, count: Int) -> [Double] {
    let rough = (range.upperBound - range.lowerBound) / Double(count)
    let power = pow(10, (log10(rough)).rounded(.down))
    let step = ([1, 2, 5, 10].first { $0 * power >= rough * 0.999 } ?? 10) * power
    let first = Int((range.lowerBound / step).rounded(.up))
    let last = Int((range.upperBound / step + 1e-9).rounded(.down))
    return first > last ? [] : (first...last).map { Double($0) * step }
  }

  // MARK: Parts

  private var axes: [String] {
    let (right, bottom) = (Self.left + Self.plotWidth, Self.top + plotHeight)
    var parts: [String] = []
    for tick in Self.ticks(yRange, count: 7) {
      parts.append(line((Self.left, y(tick)), (right, y(tick)), "#e3e6ea"))
      parts.append(
        label(Self.number(tick), Self.left - 9, y(tick) + 4.5, "text-anchor=\"end\" \(Self.faint)"))
    }
    for tick in Self.ticks(xRange, count: 7) where tick.rounded() == tick {
      parts.append(line((x(tick), bottom), (x(tick), bottom + 5), "#5c6670"))
      parts.append(
        label(Self.number(tick), x(tick), bottom + 21, "text-anchor=\"middle\" \(Self.faint)"))
    }
    parts.append(line((Self.left, bottom), (right, bottom), "#5c6670"))
    let middle = Self.text(Self.top + plotHeight / 2)
    parts.append(
      label(xTitle, (Self.left + right) / 2, bottom + 45, "text-anchor=\"middle\" \(Self.dark)"))
    parts.append(
      label(
        yTitle, 20, Self.top + plotHeight / 2,
        "text-anchor=\"middle\" transform=\"rotate(-90 20 \(middle))\" \(Self.dark)"))
    return parts
  }

  private var lines: [String] {
    let frame =
      "<clipPath id=\"frame\"><rect x=\"\(Self.text(Self.left - 5))\" "
      + "y=\"\(Self.text(Self.top - 5))\" width=\"\(Self.text(Self.plotWidth + 10))\" "
      + "height=\"\(Self.text(plotHeight + 5))\"/></clipPath>"
    return [frame, "<g clip-path=\"url(#frame)\" fill=\"none\">"] + curves.flatMap(drawn) + ["</g>"]
  }

  private func drawn(_ curve: Curve) -> [String] {
    let points = curve.points.filter { $0.x.isFinite && $0.y.isFinite }
    let places = points.map { "\(Self.text(x($0.x))),\(Self.text(y($0.y)))" }
    let path =
      "<polyline points=\"\(places.joined(separator: " "))\" \(stroke(curve))>"
      + "<title>\(ReportPage.escaped(curve.name))</title></polyline>"
    guard points.count <= 40 else { return [path] }
    let dots = points.map { point in
      "<circle cx=\"\(Self.text(x(point.x)))\" cy=\"\(Self.text(y(point.y)))\" r=\"3\" "
        + "fill=\"\(Self.colors[curve.color])\"/>"
    }
    return [path] + dots
  }

  private var legend: [String] {
    let left = Self.left + Self.plotWidth + 28
    let sorted = curves.sorted { ($0.points.last?.y ?? 0) > ($1.points.last?.y ?? 0) }
    var parts = [label(legendTitle, left, Self.top + 4, Self.faint)]
    for (index, curve) in sorted.enumerated() {
      let y = Self.top + Double(index + 1) * Self.rowHeight
      parts.append(
        "<line x1=\"\(Self.text(left))\" y1=\"\(Self.text(y))\" x2=\"\(Self.text(left + 34))\" "
          + "y2=\"\(Self.text(y))\" \(stroke(curve))/>")
      let end = curve.points.last.map { String(format: "%.2f", $0.y) } ?? ""
      parts.append(label("\(end)  \(curve.name)", left + 43, y + 4.5, Self.dark))
    }
    return parts
  }

  private func stroke(_ curve: Curve) -> String {
    "stroke=\"\(Self.colors[curve.color])\" stroke-width=\"2\" stroke-linejoin=\"round\" "
      + "stroke-dasharray=\"\(Self.dashes[curve.dash])\""
  }

  // MARK: Elements

  private static let faint = "fill=\"#5c6670\""
  private static let dark = "fill=\"#1b1f24\""

  private func line(
    _ from: (Double, Double), _ to: (Double, Double), _ color: String
  ) -> String {
    "<line x1=\"\(Self.text(from.0))\" y1=\"\(Self.text(from.1))\" x2=\"\(Self.text(to.0))\" "
      + "y2=\"\(Self.text(to.1))\" stroke=\"\(color)\"/>"
  }

  private func label(_ text: String, _ x: Double, _ y: Double, _ style: String) -> String {
    "<text x=\"\(Self.text(x))\" y=\"\(Self.text(y))\" xml:space=\"preserve\" \(style)>"
      + "\(ReportPage.escaped(text))</text>"
  }

  /// A coordinate with at most one decimal.
  private static func text(_ value: Double) -> String {
    let tenths = (value * 10).rounded() / 10
    return tenths == tenths.rounded() ? String(Int(tenths)) : String(tenths)
  }

  /// A tick's number: whole, or with the decimals that it needs.
  private static func number(_ value: Double) -> String {
    value == value.rounded()
      ? String(Int(value)) : String(format: "%g", (value * 1e6).rounded() / 1e6)
  }
}
