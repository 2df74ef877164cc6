import ArgumentParser
import Foundation
import Restormer

/// The part of a list of files that one of several processes takes: every `count`-th from `number`
/// on.
struct FileShare {
  /// This process's number, from 0.
  let number: Int
  /// How many processes share the list.
  let count: Int
  /// The processes that put together what came of it, if they can.
  let ranks: RankGroup?

  /// Everything.
  static let whole = FileShare(number: 0, count: 1, ranks: nil)

  /// Whether the process takes the entry at `index`.
  func takes(_ index: Int) -> Bool { index % count == number }

  /// Whether other processes that cannot be spoken with may be at work on the same list.
  var isShard: Bool { count > 1 && ranks == nil }

  /// What all ranks found, in the order of the list; what this process found where it is on its
  /// own.
  func gathered<Value: Codable>(_ own: [Numbered<Value>]) throws -> [Value] {
    let all = try ranks.map { try $0.gather(own) } ?? own
    return all.sorted { $0.number < $1.number }.map(\.value)
  }

  /// The sum of a number of every rank.
  func total(_ own: Int) throws -> Int { try Int(ranks?.sums([Double(own)])[0] ?? Double(own)) }

  /// Waits until every rank is here: what one of them looks at, none may have changed yet.
  func meet() throws { try ranks?.barrier() }
}

/// Something that belongs to an entry of a list.
struct Numbered<Value: Codable>: Codable {
  let number: Int
  var value: Value
}

extension Numbered: Sendable where Value: Sendable {}

/// How files are shared out over processes.
struct ShareOptions: ParsableArguments {
  @Option(
    name: .long, parsing: .unconditional,
    help: """
      K/N: every N-th file from the K-th on, for job arrays. Ranks of mpirun or srun share files \
      out by themselves.
      """,
    transform: Shard.init(text:))
  var shard: Shard?

  /// The share of this process.
  /// - Throws: `RankError` for ranks that are to share a second time.
  func share() throws -> FileShare {
    guard let ranks = RankGroup.current else {
      return shard.map { FileShare(number: $0.number - 1, count: $0.count, ranks: nil) } ?? .whole
    }
    guard shard == nil else {
      throw RankError(
        "--shard is for processes that do not know each other, \(ranks.size) ranks do")
    }
    return FileShare(number: ranks.rank, count: ranks.size, ranks: ranks)
  }
}

/// The K-th of N parts.
struct Shard {
  let number: Int
  let count: Int

  /// - Throws: `ValidationError` with what was expected.
  init(text: String) throws {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let number = parts[0], let count = parts[1],
      (1...1_000_000).contains(count), (1...count).contains(number)
    else {
      throw ValidationError("expected K/N, such as 2/8, with K from 1 to N and N at most 1000000")
    }
    (self.number, self.count) = (number, count)
  }
}
