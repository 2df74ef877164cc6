import Foundation

/// The record of made pairs, a JSON array: for each pair what was drawn, enough to make it again.
package struct DegradationManifest: Sendable {
  /// One pair.
  package struct Entry: Codable, Sendable, Hashable {
    /// The name of both files.
    package let file: String
    /// The clean file that it came from.
    package let source: String
    /// The page of a PDF, counted from 1.
    package let page: Int?
    /// Pixels per inch of that page.
    package let dpi: Int?
    /// The recipe that was asked for.
    package let recipe: String
    /// The seed that was asked for.
    package let seed: UInt64
    /// 1 for gray, 3 for colour.
    package let channels: Int
    /// The first column of the page's part.
    package let x: Int
    /// Its first row.
    package let y: Int
    /// Its columns.
    package let width: Int
    /// Its rows.
    package let height: Int
    /// The kinds that happened, in the units of `DegradationKind`.
    package let values: [String: Double]
    /// The direction of motion, if there was any: degrees from the right upwards.
    package let motionAngle: Double?
    /// The direction of rain, likewise.
    package let rainAngle: Double?
    /// The seed of noise and rain, in digits: not every reader of JSON has 64-bit numbers.
    package let noiseSeed: String
  }

  /// The pairs by name of their file.
  private var entries: [[UInt8]: Entry] = [:]
  /// What has changed since the record was read; nil for pairs that were forgotten.
  private var changes: [[UInt8]: Entry?] = [:]
  private let path: String

  /// The record at `path`; an empty one where there is none yet.
  /// - Throws: `DataError` for a file that is something else.
  package init(at path: String) throws {
    self.path = path
    guard FileKind(path) != nil else { return }
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    guard let data = try? mappedFile(path),
      let known = try? decoder.decode([Entry].self, from: data)
    else { throw DataError("\(path): not the record of made pairs that belongs here") }
    for pair in known { entries[Array(pair.file.utf8)] = pair }
  }

  /// The pairs, in the order of their names.
  package var pairs: [Entry] { entries.values.sorted { String.precedes($0.file, $1.file) } }

  /// The record of a pair by the name of its files without extension, if there is one.
  func entry(_ name: String) -> Entry? { entries[Self.key(name)] }

  private static func key(_ name: String) -> [UInt8] { Array((name + ".png").utf8) }

  /// Adds pairs, in place of those of the same name.
  package mutating func add(_ pairs: [Entry]) {
    for pair in pairs {
      let key = Array(pair.file.utf8)
      entries[key] = pair
      changes[key] = .some(pair)
    }
  }

  /// Forgets pairs by the names of their files without extension; says whether it knew any.
  package mutating func forget(_ names: [String]) -> Bool {
    let known = names.filter { entries.removeValue(forKey: Self.key($0)) != nil }
    for name in known { changes[Self.key(name)] = .some(nil) }
    return !known.isEmpty
  }

  /// Writes the record where several processes keep it in turns: what others have written since
  /// stays.
  /// - Parameter folder: the folder that is locked meanwhile.
  /// - Throws: `FileError`; `DataError` when something else has taken the record's place.
  package mutating func write(inTurnsOn folder: String) throws {
    let lock = FolderLock(waitingFor: folder)
    try withExtendedLifetime(lock) {
      entries = try DegradationManifest(at: path).entries
      for (key, entry) in changes { entries[key] = entry }
      try write()
    }
  }

  /// Writes the record, a line for each pair.
  /// - Throws: `FileError`.
  package func write() throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let lines = try pairs.map { String(decoding: try encoder.encode($0), as: UTF8.self) }
    try writeAtomically(Array("[\n\(lines.joined(separator: ",\n"))\n]\n".utf8), to: path)
  }
}

extension DegradationManifest.Entry {
  init(
    file: String, page: CleanPage, dpi: Int, recipe: DegradationRecipe, seed: UInt64,
    channels: Int, window: PageWindow, degradation: Degradation
  ) {
    (self.file, source, self.page) = (file, page.path, page.pageNumber)
    self.dpi = page.pageNumber == nil ? nil : dpi
    (self.recipe, self.seed, self.channels) = (recipe.description, seed, channels)
    (x, y, width, height) = (window.x, window.y, window.width, window.height)
    values = Dictionary(uniqueKeysWithValues: degradation.values.map { ($0.rawValue, $1) })
    motionAngle = degradation.values[.motion] == nil ? nil : degradation.motionAngle
    rainAngle = degradation.values[.rain] == nil ? nil : degradation.rainAngle
    noiseSeed = "\(degradation.seed)"
  }

  /// Whether both say the same of what was drawn, wherever the page lay.
  func isSamePair(as other: Self) -> Bool {
    file == other.file && page == other.page && dpi == other.dpi && recipe == other.recipe
      && seed == other.seed && channels == other.channels && window == other.window
      && degradation == other.degradation
  }

  /// What was done to the page; nil for a kind that this version does not know.
  package var degradation: Degradation? {
    var known: [DegradationKind: Double] = [:]
    for (name, value) in values {
      guard let kind = DegradationKind(rawValue: name), kind.limits.contains(value) else {
        return nil
      }
      known[kind] = value
    }
    guard let seed = UInt64(noiseSeed) else { return nil }
    return Degradation(
      values: known, motionAngle: motionAngle ?? 0, rainAngle: rainAngle ?? 0, seed: seed)
  }

  /// Where on the page it was done.
  package var window: PageWindow { PageWindow(x: x, y: y, width: width, height: height) }
}
