import Foundation
import XCTest

/// An OpenCL device of any size that computes nothing and keeps books: `Tests/InventedGPU`.
struct InventedGPU {
  private let scratch: Scratch
  private let settings: [String: Int]

  /// A card with the given limits; see `Tests/InventedGPU/gpu.h` for the others.
  /// - Throws: the fault of building the driver.
  init(_ settings: [String: Int] = [:]) throws {
    scratch = try Scratch()
    self.settings = settings
    _ = try Self.driver.get()
  }

  /// What a run of the program did on the card.
  struct Run {
    let program: Program
    /// Bytes of each allocation, and the most that was in use at a time.
    var buffers: [Int] = []
    var mostInUse = 0
    /// The groups and the work-items of a group, of every launch by kernel.
    var launches: [(kernel: String, groups: Int, items: Int)] = []
  }

  /// Runs the program with the card as the only OpenCL device.
  func run(_ arguments: [String], environment others: [String: String] = [:]) throws -> Run {
    let log = scratch.file("log-\(UUID().uuidString)")
    var environment = Dictionary(
      uniqueKeysWithValues: settings.map { ("INVENTED_GPU_\($0.key)", String($0.value)) })
    environment.merge(others) { $1 }
    environment["INVENTED_GPU_LOG"] = log
    environment["OCL_ICD_VENDORS"] = try Self.driver.get()
    environment["RESTORMER_CACHE_DIR"] = scratch.file("cache")
    var run = Run(program: try Program.run(arguments, environment: environment))
    for line in (try? String(contentsOfFile: log, encoding: .utf8))?.split(separator: "\n") ?? [] {
      let words = line.split(separator: " ")
      if words[0] == "buffer" {
        run.buffers.append(Int(words[1]) ?? 0)
        run.mostInUse = max(run.mostInUse, Int(words[4]) ?? 0)
      } else if words[0] == "launch" {
        run.launches.append((String(words[1]), Int(words[3]) ?? 0, Int(words[5]) ?? 0))
      }
    }
    return run
  }

  /// The driver's folder, beside the program; made once in a run of the tests.
  private static let driver = Result { try build() }

  private static func build() throws -> String {
    let folder = (try Program.path() as NSString).deletingLastPathComponent + "/invented-gpu"
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Scripts/invented-gpu.sh").standardized
    let process = try Process.run(script, arguments: ["--build", folder])
    process.waitUntilExit()
    XCTAssertEqual(process.terminationStatus, 0, "the invented GPU's driver does not build")
    return folder
  }
}
