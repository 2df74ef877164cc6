import Foundation

/// A program that the user has to install is missing or has failed.
public struct ProgramError: Error, CustomStringConvertible, Sendable {
  /// The fault in one line.
  public let description: String

  init(_ description: String) { self.description = description }
}

/// A program of the system, run as it is: no shell, no pipe that could fill up, and never longer
/// than it may.
struct InstalledProgram: Sendable {
  /// The name as people type it.
  let name: String
  private let path: String

  /// Finds `name` in the folders of `PATH`.
  /// - Throws: `ProgramError` naming the package to install.
  init(_ name: String, package: String) throws(ProgramError) {
    let places = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    // An empty entry would mean the current folder, whose files are the user's and not the
    // system's.
    let paths = places.split(separator: ":").map { "\($0)/\(name)" }
    guard let path = paths.first(where: Self.isProgram) else {
      throw ProgramError(
        "\(name): not installed (it is in the package \(package); 'apt-get install \(package)')")
    }
    (self.name, self.path) = (name, path)
  }

  private static func isProgram(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: path)
  }

  /// Runs the program to its end and gives what it printed.
  ///
  /// - Parameters:
  ///   - arguments: handed over as they are.
  ///   - subject: what it works on, for errors.
  ///   - environment: variables beside those of this process.
  ///   - folder: takes what the program prints.
  ///   - seconds: after which it is ended.
  /// - Throws: `ProgramError` when it cannot be started, takes too long or ends with a fault, in
  ///   its own words.
  @discardableResult
  func run(
    _ arguments: [String], on subject: String, environment: [String: String] = [:],
    in folder: TemporaryFolder, seconds: Double
  ) throws -> String {
    let (output, errors) = (try PrintedText(in: folder), try PrintedText(in: folder))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    (process.standardOutput, process.standardError) = (output.handle, errors.handle)
    let ended = DispatchSemaphore(value: 0)
    process.terminationHandler = { _ in ended.signal() }
    do {
      try process.run()
    } catch {
      throw ProgramError("\(name): cannot be started: \(error.localizedDescription)")
    }
    if ended.wait(timeout: .now() + seconds) == .timedOut {
      // It may ignore a kinder signal, as this process does while it finishes a batch.
      kill(process.processIdentifier, SIGKILL)
      ended.wait()
      let limit = String(format: "%g s", seconds)
      throw ProgramError("\(name): \(subject): not done after \(limit), ended")
    }
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
      let how = process.terminationReason == .exit ? "exit code" : "killed by signal"
      let words = Self.reason(errors.text).map { ": \($0)" } ?? ""
      throw ProgramError("\(name): \(subject): \(how) \(process.terminationStatus)\(words)")
    }
    return output.text
  }

  /// The line that tells most: the first that speaks of an error, else the last.
  private static func reason(_ text: String) -> String? {
    let lines = text.split(whereSeparator: \.isNewline).filter { $0.contains { !$0.isWhitespace } }
    let line = lines.first { $0.lowercased().contains("error") } ?? lines.last
    return line.map { String($0.prefix(200)) }
  }
}

/// A file that takes what a program prints: unlike a pipe it needs nobody to empty it, and no other
/// program started meanwhile can hold it open.
private final class PrintedText {
  let handle: FileHandle
  private let path: String

  init(in folder: TemporaryFolder) throws(FileError) {
    path = folder.newFile(".txt")
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw FileError.last("create", path) }
    handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  deinit { unlink(path) }

  var text: String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }
}
