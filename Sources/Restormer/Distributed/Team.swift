import Foundation

/// The ranks that train one network together; a process on its own is a team of one.
///
/// What every rank calls, it calls at the same point of its work.
struct Team {
  private let ranks: RankGroup?

  init(_ ranks: RankGroup?) { self.ranks = ranks }

  var rank: Int { ranks?.rank ?? 0 }
  var size: Int { ranks?.size ?? 1 }
  /// Whether this rank writes files.
  var isFirst: Bool { rank == 0 }

  /// Adds up `values` over the team, in place.
  func sum(_ values: UnsafeMutableBufferPointer<Float>) throws { try ranks?.sum(values) }

  /// Gives every rank the parts of all, of equal length and in the order of the ranks.
  func share(_ values: inout [Float]) throws {
    try values.withUnsafeMutableBufferPointer { try ranks?.share($0) }
  }

  /// The sums over the team of a few numbers.
  func sums(_ values: [Double]) throws -> [Double] { try ranks?.sums(values) ?? values }

  /// Whether any rank says so.
  func any(_ flag: Bool) throws -> Bool { try sums([flag ? 1 : 0])[0] > 0 }

  /// The lines of all ranks, in their order.
  func lines(_ own: [String]) throws -> [String] {
    guard let ranks, try any(!own.isEmpty) else { return own }
    return try ranks.gather(own.joined(separator: "\n")).flatMap { $0.split(separator: "\n") }
      .map(String.init)
  }

  /// What rank 0 has, on every rank.
  func shared(_ text: String) throws -> String {
    guard let ranks else { return text }
    return String(decoding: try ranks.broadcast(Array(text.utf8)), as: UTF8.self)
  }

  /// What `owner` has, on every rank; other ranks' values are not looked at.
  func shared(_ values: [Float], from owner: Int = 0) throws -> [Float] {
    guard let ranks else { return values }
    let bytes = values.withUnsafeBytes { Array($0) }
    let all = try ranks.broadcast(owner == rank ? bytes : [], from: owner)
    return all.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
  }

  /// - Throws: `RankError` on a rank where the lines of `text` are not those of rank 0; `subject`
  ///   says what they are.
  func agree(on subject: String, _ text: String) throws {
    let (own, first) = (Self.lines(text), Self.lines(try shared(text)))
    guard own != first else { return }
    let place = zip(own, first).enumerated().first { $0.element.0 != $0.element.1 }
    let (mine, theirs) = place?.element ?? (own.last ?? "", first.last ?? "")
    throw RankError(
      "\(subject) differ: '\(mine.trimmed)' here, '\(theirs.trimmed)' on rank 0")
  }

  private static func lines(_ text: String) -> [String] {
    text.split(separator: "\n").map(String.init)
  }
}

extension String {
  fileprivate var trimmed: String { trimmingCharacters(in: .whitespaces) }
}
