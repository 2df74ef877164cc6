import CMessagePassing
import Foundation

/// The processes of one job, started by `mpirun` or `srun`, each with a number: its rank.
///
/// Every rank calls the same functions in the same order. Sums have the same bits on every rank,
/// and in every job of as many ranks.
public final class RankGroup: @unchecked Sendable {
  /// The job that the running command is part of.
  @TaskLocal public static var current: RankGroup?

  /// This process's number, from 0.
  public let rank: Int
  /// How many ranks there are.
  public let size: Int
  /// This process's number among those on the same host.
  public let localRank: Int
  /// The name of this host.
  public let host: String
  private let library: MPILibrary
  private var watch: RankWatch?

  /// Joins the job that this process was started in; nil for a process on its own.
  /// - Throws: `RankError` when the ranks cannot find each other.
  public static func join(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> RankGroup? {
    guard let launcher = try MPILauncher(environment: environment) else { return nil }
    return try RankGroup(MPILibrary(for: launcher, environment: environment))
  }

  private init(_ library: MPILibrary) throws {
    self.library = library
    var (rank, size, local): (Int32, Int32, Int32) = (0, 0, 0)
    try library.call("start") { $0.start(&rank, &size, &local) }
    (self.rank, self.size, localRank) = (Int(rank), Int(size), Int(local))
    var name = [CChar](repeating: 0, count: 256)
    try library.call("host") { $0.host(&name, name.count) }
    host = String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let hosts = try gather(host)
    watch = try RankWatch(rank: self.rank, hosts: hosts) { try broadcast($0) }
  }

  /// Whether this rank writes files and speaks to the user.
  public var isFirst: Bool { rank == 0 }

  /// Adds up `values` over the ranks, in place.
  package func sum(_ values: UnsafeMutableBufferPointer<Float>) throws {
    try library.call("sum") { $0.sum_floats(values.baseAddress, values.count) }
  }

  /// Gives every rank the parts of all: `values` consists of one part of equal length for each
  /// rank, in order.
  func share(_ values: UnsafeMutableBufferPointer<Float>) throws {
    let count = values.count / size
    precondition(count * size == values.count, "RankGroup: \(values.count) for \(size) ranks")
    try library.call("gather") { $0.gather_floats(values.baseAddress, count) }
  }

  /// The sums over the ranks of a few numbers.
  package func sums(_ values: [Double]) throws -> [Double] {
    var values = values
    try library.call("sum") { $0.sum_doubles(&values, values.count) }
    return values
  }

  /// What rank 0 gives, on every rank.
  package func broadcast(_ bytes: [UInt8], from root: Int = 0) throws -> [UInt8] {
    var count = UInt64(bytes.count)
    try library.call("broadcast") { $0.broadcast(&count, 8, Int32(root)) }
    var result = rank == root ? bytes : [UInt8](repeating: 0, count: Int(count))
    try library.call("broadcast") { $0.broadcast(&result, result.count, Int32(root)) }
    return result
  }

  /// What rank 0 gives, in place on every rank.
  package func broadcast(_ values: inout [Float]) throws {
    let count = values.count * MemoryLayout<Float>.stride
    try values.withUnsafeMutableBytes { bytes in
      try library.call("broadcast") { $0.broadcast(bytes.baseAddress, count, 0) }
    }
  }

  /// One text of each rank, in order, on every rank.
  package func gather(_ text: String) throws -> [String] {
    try (0..<size).map {
      String(decoding: try broadcast(Array(text.utf8), from: $0), as: UTF8.self)
    }
  }

  /// The values of all ranks, one after the other, on every rank.
  package func gather<Value: Codable>(_ own: [Value]) throws -> [Value] {
    let encoder = PropertyListEncoder()
    encoder.outputFormat = .binary
    let bytes = Array(try encoder.encode(own))
    return try (0..<size).flatMap { root in
      let bytes = try broadcast(root == rank ? bytes : [], from: root)
      return try PropertyListDecoder().decode([Value].self, from: Data(bytes))
    }
  }

  /// Waits until every rank is here.
  package func barrier() throws { try library.call("barrier") { $0.barrier() } }

  /// Leaves the job; every rank has to.
  public func finish() throws {
    try barrier()
    watch?.close()
    try library.call("finish") { $0.finish() }
  }

  /// Ends the job because of a fault of this rank: one line on standard error names rank, host and
  /// `cause`.
  package func fail(_ cause: String, code: Int32) -> Never {
    guard let watch else {
      library.stop(code: code)
      exit(code)
    }
    watch.fail(cause, code: code)
  }
}
