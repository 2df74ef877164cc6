/// A network may only be asked to restore what it was trained on: one that never saw mirrored text
/// makes it worse.
extension ModelWeights {
  static let symmetriesKey = "restormer.symmetries"

  /// The metadata of weights that saw their images in these orientations.
  static func metadata(of symmetries: [Symmetry]) -> [String: String] {
    [symmetriesKey: symmetries.map(\.name).joined(separator: ",")]
  }

  /// The orientations in which training showed images, the upright one first, as the metadata
  /// `restormer.symmetries` name them; all eight for weights that say nothing, such as those of
  /// Restormer's authors.
  public var symmetries: [Symmetry] {
    guard let names = metadata[Self.symmetriesKey] else { return Symmetry.allCases }
    let listed = names.split(separator: ",").map { $0.filter { $0 != " " } }
    return Symmetry.allCases.filter { $0 == .identity || listed.contains($0.name) }
  }

  /// - Throws: `ModelError` for metadata that name an unknown orientation.
  static func checkSymmetries(_ metadata: [String: String]) throws {
    guard let names = metadata[symmetriesKey] else { return }
    let known = Set(Symmetry.allCases.map(\.name))
    for name in names.split(separator: ",").map({ $0.filter { $0 != " " } })
    where !known.contains(name) {
      throw ModelError(
        "the metadata \(symmetriesKey) name '\(name.prefix(40))', expected identity, flip-x, "
          + "flip-y, rotate-90, rotate-180, rotate-270, transpose or anti-transpose")
    }
  }
}
