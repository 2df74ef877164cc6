import Foundation
import Restormer
import TestSupport
import XCTest

/// One run of the built `restormer` program.
struct Program {
  let status: Int32
  /// What it printed to standard output and standard error.
  let output: String
  let errors: String
  /// Standard output as it is.
  let bytes: [UInt8]

  /// The lines of `errors` that tell of a fault.
  var faults: [String] {
    errors.split(separator: "\n").map(String.init).filter { $0.lowercased().hasPrefix("error:") }
  }

  /// The first of them; empty where there is none.
  var fault: String { faults.first ?? "" }

  /// The program lies beside the bundle of the tests.
  static func path() throws -> String {
    let bundle = URL(fileURLWithPath: CommandLine.arguments[0]).standardized
    var folders = [Bundle(for: Anchor.self).bundleURL, Bundle.main.bundleURL, bundle]
    folders += folders.map { $0.deletingLastPathComponent() }
    let paths = folders.map { $0.appendingPathComponent("restormer").path }
    return try XCTUnwrap(
      paths.first { FileManager.default.isExecutableFile(atPath: $0) && !isFolder($0) },
      "no program in any of \(folders.map(\.path))")
  }

  private final class Anchor {}

  private static func isFolder(_ path: String) -> Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
      && isDirectory.boolValue
  }

  /// Runs the program to its end.
  /// - Parameters:
  ///   - limit: a `ulimit` option under which it runs, such as `-f 1`.
  ///   - environment: variables set beside those of the tests; `RESTORMER_DEVICE` is the first
  ///     device of OpenCL where there is one.
  ///   - folder: the folder in which it runs; by default that of the tests.
  ///   - launcher: a command that starts it, with its arguments.
  ///   - input: the file that it reads as standard input.
  ///   - meanwhile: called once it runs.
  @discardableResult
  static func run(
    _ arguments: [String], limit: String? = nil, environment: [String: String] = [:],
    in folder: String? = nil, input: String? = nil, launcher: [String] = [],
    meanwhile: (Process) -> Void = { _ in }
  ) throws -> Program {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let limits = limit.map { "ulimit \($0) && " } ?? ""
    process.arguments =
      ["-c", limits + "exec \"$@\"", "bash"] + launcher + [try path()] + arguments
    var variables = ProcessInfo.processInfo.environment
    // The driver is what the tests are about: `auto` might take the CPU backend.
    variables["RESTORMER_DEVICE"] = (try? Device.shared()) == nil ? "cpu" : "0"
    process.environment = variables.merging(environment) { $1 }
    let (output, errors) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, errors)
    process.standardInput =
      try input.map { try FileHandle(forReadingFrom: URL(fileURLWithPath: $0)) } ?? .nullDevice
    try process.run()
    // Both pipes are emptied at once: a full one would stop the program.
    let box = Box()
    let done = DispatchGroup()
    DispatchQueue.global().async(group: done) {
      box.data = errors.fileHandleForReading.readDataToEndOfFile()
    }
    meanwhile(process)
    let text = output.fileHandleForReading.readDataToEndOfFile()
    done.wait()
    process.waitUntilExit()
    XCTAssertEqual(process.terminationReason, .exit, "\(arguments) was killed")
    return Program(
      status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
      errors: String(decoding: box.data, as: UTF8.self), bytes: [UInt8](text))
  }

  private final class Box: @unchecked Sendable {
    var data = Data()
  }
}

/// A folder of its own for each test, gone afterwards.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "restormer-cli-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String) -> String { path + "/" + name }

  /// Everything below `folder`, hidden files too.
  func names(in folder: String) -> [String] {
    (try? FileManager.default.contentsOfDirectory(atPath: file(folder)).sorted()) ?? []
  }

  /// Writes a picture of smooth waves and gives its path.
  @discardableResult
  func picture(
    _ name: String, _ width: Int, _ height: Int, channels: Int = 3, alpha: Bool = false,
    bitDepth: Int = 8, profile: [UInt8]? = nil
  ) throws -> String {
    let plane = width * height
    let image = Image(
      width: width, height: height, channels: channels,
      pixels: (0..<channels * plane).map { index in
        let (x, y) = (Float(index % width), Float(index / width))
        return 0.5 + 0.25 * sin(x / 5) + 0.2 * cos(y / 7)
      },
      alpha: alpha ? (0..<plane).map { Float($0 % 256) / 255 } : nil, bitDepth: bitDepth,
      iccProfile: profile)
    let isJPEG = name.hasSuffix("jpg")
    try FileManager.default.createDirectory(
      atPath: (file(name) as NSString).deletingLastPathComponent,
      withIntermediateDirectories: true)
    try image.write(to: file(name), format: isJPEG ? .jpeg : .png)
    return file(name)
  }

  /// A folder `data` of five pairs of pictures, each pair of a width of its own, and its path.
  @discardableResult
  func pairs() throws -> String {
    for index in 0..<5 {
      for part in ["input", "target"] { try picture("data/\(part)/\(index).png", 32 + index, 24) }
    }
    return file("data")
  }

  func bytes(_ name: String, _ data: Data) throws -> String {
    try data.write(to: URL(fileURLWithPath: file(name)))
    return file(name)
  }

  /// Weights of the smallest network, which returns its input when `zero`.
  func weights(zero: Bool = false, normalization: ImageNormalization = .none) throws -> String {
    let model = RestormerModel(.tiny)
    var weights = ModelWeights(model: model, normalization: normalization)
    if !zero { weights.values = WeightGenerator(salt: "cli").weights(model).map { $0 / 4 } }
    try weights.state.writeSafetensors(to: file("weights.safetensors"))
    return file("weights.safetensors")
  }
}

/// The largest difference of two pictures in steps of 8 bits; infinite when they differ in form.
func difference(_ a: String, _ b: String) throws -> Float {
  let (a, b) = (try Image(contentsOf: a), try Image(contentsOf: b))
  guard a.width == b.width, a.height == b.height, a.channels == b.channels else { return .infinity }
  return zip(a.pixels, b.pixels).map { abs($0 - $1) * 255 }.max() ?? 0
}
