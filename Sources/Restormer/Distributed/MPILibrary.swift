import CMessagePassing
import Foundation

/// A fault of a job of several processes: how it was started, its MPI library, or one of its ranks.
public struct RankError: Error, CustomStringConvertible, Sendable {
  /// The fault in one line.
  public let description: String

  package init(_ description: String) { self.description = description }
}

/// Which MPI library started this process, read from what its launcher leaves in the environment.
package enum MPILauncher: String, Sendable {
  case openMPI = "openmpi"
  case mpich

  /// The launcher of a job of several ranks; nil for a process on its own.
  /// - Throws: `RankError` for ranks that cannot find each other.
  package init?(environment: [String: String]) throws {
    func number(_ name: String) -> Int? { environment[name].flatMap { Int($0) } }
    let tasks = number("SLURM_STEP_NUM_TASKS") ?? 1
    if let size = number("OMPI_COMM_WORLD_SIZE") {
      guard size > 1 else { return nil }
      self = .openMPI
    } else if let size = number("PMI_SIZE") {
      guard size > 1 else { return nil }
      self = .mpich
    } else if number("PMIX_RANK") != nil {
      guard tasks > 1 else { return nil }
      self = .openMPI
    } else {
      guard tasks > 1 else { return nil }
      throw RankError(
        "srun started \(tasks) tasks that do not know each other: add --mpi=pmix (Open MPI) or "
          + "--mpi=pmi2 (MPICH)")
    }
  }
}

/// The functions of an MPI library, reached through the plug-in that was built against it.
package struct MPILibrary: @unchecked Sendable {
  private let table: UnsafePointer<restormer_mpi>

  /// Loads the plug-in for `launcher`: the file that `RESTORMER_MPI` names, or one beside the
  /// program.
  /// - Throws: `RankError` when there is none, or it is of another version.
  package init(for launcher: MPILauncher, environment: [String: String]) throws {
    let paths = Self.paths(for: launcher, environment)
    guard let path = paths.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
      throw RankError(
        "started by \(launcher.rawValue) as one of several ranks, but there is no \(paths[0]): "
          + "`make mpi` builds it")
    }
    // Open MPI loads parts of itself that look for its symbols among the global ones.
    guard let handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL) else {
      throw RankError("\(path): \(dlerror().map { String(cString: $0) } ?? "cannot be loaded")")
    }
    guard let symbol = dlsym(handle, RESTORMER_MPI_SYMBOL) else {
      throw RankError("\(path): no plug-in of this program")
    }
    let entry = unsafeBitCast(symbol, to: restormer_mpi_entry.self)
    guard let table = entry(), table.pointee.interface == RESTORMER_MPI_INTERFACE else {
      throw RankError("\(path): built for another version of this program, run `make mpi` again")
    }
    self.table = table
  }

  private static func paths(
    for launcher: MPILauncher, _ environment: [String: String]
  ) -> [String] {
    if let named = environment["RESTORMER_MPI"], !named.isEmpty { return [named] }
    let program = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
    let folder = ((program ?? CommandLine.arguments[0]) as NSString).deletingLastPathComponent
    let name = "librestormer-\(launcher.rawValue).so"
    return ["\(folder)/\(name)", "\(folder)/../lib/restormer/\(name)"]
  }

  /// Calls one function of the table.
  /// - Throws: `RankError` with MPI's words for its error.
  package func call(_ name: String, _ body: (restormer_mpi) -> Int32) throws {
    let code = body(table.pointee)
    guard code != 0 else { return }
    var text = [CChar](repeating: 0, count: 512)
    table.pointee.describe(code, &text, text.count)
    let words = String(
      decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    throw RankError("MPI \(name): \(words)")
  }

  /// Ends every rank of the job.
  package func stop(code: Int32) { table.pointee.stop(code) }
}
