import Foundation

/// The pairs that a run is scored on, and a mark by which another set is told from them.
struct ValidationSet {
  let pairs: [PairedFolder.Pair]
  let noise: GaussianNoise?
  let degradation: DegradationRecipe?
  /// The same for the same files and degradation, wherever they lie: scores of one mark can be
  /// compared.
  let mark: String

  /// Bytes of a file's beginning and of its end that are looked at. PNG ends with checksums of all
  /// its pixels.
  private static let edge = 4096

  /// Finds the pairs of `folders`, which are compared by `scoring`.
  /// - Throws: `DataError` for missing partners and unequal sizes, `FileError`.
  init(_ folders: DataFolders, scoring: Scoring = Scoring()) throws {
    (pairs, noise) = (try folders.pairs().pairs, folders.noise)
    var degradation = folders.degradation
    // A page that stays sharp would be restored perfectly by doing nothing, and outweigh all
    // others.
    degradation?.sharp = 0
    self.degradation = degradation
    var hash = FNV1a()
    hash.add("\(noise.map { "\($0.level)" } ?? "") \(degradation?.description ?? "")".utf8)
    if scoring != Scoring() { hash.add("\(scoring)".utf8) }
    for pair in pairs {
      for path in [pair.input, pair.right, pair.target].compactMap({ $0 }) {
        try Self.add(path, to: &hash)
      }
    }
    mark = String(hash.value, radix: 16)
  }

  private static func add(_ path: String, to hash: inout FNV1a) throws {
    do {
      let file = try openFile(path)
      let size = try file.seekToEnd()
      hash.add(path.fileName.utf8)
      hash.add(size)
      for start in [0, size - min(size, UInt64(edge))] {
        try file.seek(toOffset: start)
        hash.add(try file.read(upToCount: edge) ?? Data())
      }
    } catch {
      throw FileError(path: path, operation: "read", reason: "the file cannot be opened")
    }
  }
}
