/// How a submission writes values.
package struct SubmissionFormat: Sendable, Hashable {
  /// What a row of the file holds.
  package enum Form: String, Sendable, CaseIterable {
    /// One pixel: `id,value` with the id `image_row_column`.
    case pixels
    /// One image: `id,values` with the id `image` and all values row by row, separated by spaces.
    case image
  }

  /// What black and white are written as.
  package enum Range: String, Sendable, CaseIterable {
    /// 0 and 1.
    case unit
    /// 0 and 255.
    case byte

    /// The value of white.
    package var white: Double { self == .unit ? 1 : 255 }
  }

  /// What a row holds.
  package var form: Form
  /// The range of values.
  package var range: Range
  /// Digits after the point, 0 to 6; zeros at the end are left out.
  package var decimals: Int
  /// The number of the first row and the first column, 0 or 1; nil follows the sample, or is 1
  /// without one.
  package var firstIndex: Int?

  /// Digits that are enough for 16-bit images, or whole levels of 8 bits.
  package static func defaultDecimals(_ range: Range) -> Int { range == .unit ? 5 : 0 }

  /// A format; `decimals` nil takes the default of the range.
  package init(
    form: Form = .pixels, range: Range = .unit, decimals: Int? = nil, firstIndex: Int? = nil
  ) {
    (self.form, self.range, self.firstIndex) = (form, range, firstIndex)
    self.decimals = decimals ?? Self.defaultDecimals(range)
    precondition((0...6).contains(self.decimals), "SubmissionFormat: \(self.decimals) decimals")
  }

  /// Steps of the last digit to one unit of the file's range.
  var unit: Int { (0..<decimals).reduce(1) { product, _ in product * 10 } }

  /// Gray values in [0, 1] as steps of the last digit; what lies outside is clamped.
  func steps(_ values: [Float]) -> [Int32] {
    let scale = range.white * Double(unit)
    // NaN is not above 0.
    return values.map { $0 > 0 ? Int32((min(1, Double($0)) * scale).rounded()) : 0 }
  }
}

/// A submission cannot be made from what was given.
package struct SubmissionError: Error, CustomStringConvertible, Sendable {
  /// The fault in one line.
  package let description: String

  init(_ description: String) { self.description = description }
}
