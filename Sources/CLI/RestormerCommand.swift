import ArgumentParser
import CVersion
import Foundation
import Restormer

/// Runs the command line; a fault ends it with one line, wrong options with the usage as well.
@main
enum Program {
  static func main() {
    // A write beyond the limit of file sizes is then an error like a full disk, not the end of the
    // program.
    signal(SIGXFSZ, SIG_IGN)
    ignoreImpossibleWidth()
    _ = Hangup.isIgnored
    do {
      guard let ranks = try RankGroup.join() else { return try runCommand() }
      try RankGroup.$current.withValue(ranks) { try runCommand(as: ranks) }
    } catch let error where !isForTheParser(error) {
      Console.fault(oneLine(error))
      exit(EXIT_FAILURE)
    } catch {
      RestormerCommand.exit(withError: error)
    }
  }

  private static func runCommand() throws {
    try checkForEmptyWords()
    var command = try RestormerCommand.parseAsRoot(arguments)
    if let ranks = RankGroup.current, type(of: command) is any SingleProcess.Type {
      let name = type(of: command).configuration.commandName ?? ""
      throw RankError(
        "\(name) is work for one process, not for \(ranks.size) ranks: "
          + "start it without mpirun or srun"
      )
    }
    try command.run()
  }

  /// Rank 0 speaks for all; a fault of any rank ends all of them.
  private static func runCommand(as ranks: RankGroup) throws {
    if !ranks.isFirst { Console.silence() }
    do {
      try runCommand()
    } catch let code as ExitCode {
      // All ranks have come to this end together.
      try ranks.finish()
      throw code
    } catch let error where RestormerCommand.exitCode(for: error) != .success {
      let text = isForTheParser(error) ? RestormerCommand.message(for: error) : oneLine(error)
      ranks.fail(text, code: RestormerCommand.exitCode(for: error).rawValue)
    }
    try ranks.finish()
  }

  /// The words of the command line, whatever bytes they are made of.
  private static var arguments: [String] {
    (1..<max(1, Int(CommandLine.argc))).compactMap { CommandLine.unsafeArgv[$0] }.map {
      String(systemBytes: UnsafeRawBufferPointer(start: $0, count: strlen($0)))
    }
  }

  /// An empty word is what an unset variable leaves of `-o "$OUT"`: it names no file, and with a
  /// name put behind it one of the system's root.
  /// - Throws: `ValidationError` naming the word before it.
  private static func checkForEmptyWords() throws {
    let words = arguments
    let options = words.prefix { $0 != "--" }
    let isAssigned = { (word: String) in
      word.hasPrefix("--") && word.firstIndex(of: "=") == word.indices.last
    }
    if let option = options.first(where: isAssigned) {
      throw ValidationError("\(option.dropLast()) is empty")
    }
    guard let empty = words.firstIndex(of: "") else { return }
    let place = empty == 0 ? "first argument" : "argument after \(words[empty - 1])"
    throw ValidationError("the \(place) is empty")
  }

  /// The parser breaks its lines at `COLUMNS`, some of which leave no room for a letter.
  private static func ignoreImpossibleWidth() {
    let columns = ProcessInfo.processInfo.environment["COLUMNS"] ?? ""
    if let columns = Int(columns), !(20...100_000).contains(columns) { unsetenv("COLUMNS") }
  }

  /// Requests for help, wrong options and plain exit codes: the parser has its own codes for them.
  private static func isForTheParser(_ error: any Error) -> Bool {
    error is ExitCode || RestormerCommand.exitCode(for: error) != .failure
  }
}

/// A command that writes files and cannot share them out over the ranks of a job.
protocol SingleProcess {}

extension SubmitCommand: SingleProcess {}
extension CompareCommand: SingleProcess {}
extension ExportCommand: SingleProcess {}
extension ServeCommand: SingleProcess {}

/// An error in one line: the project's own are one already, the system's are told without their
/// fields.
func oneLine(_ error: any Error) -> String {
  let text =
    type(of: error) is NSError.Type || error is CocoaError
    ? error.localizedDescription : "\(error)"
  return text.split(whereSeparator: \.isNewline).joined(separator: " ")
}

/// The commands: one a file.
struct RestormerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restormer",
    abstract: "Trains and runs Restormer on any OpenCL device or the CPU.",
    discussion: """
      Exit codes: 0 success; 1 a fault, told in a line that begins with 'error:'; 64 wrong \
      options; 130 and 143 ended by \
      Ctrl-C and SIGTERM; 0 for 'serve', which is meant to end so.
      """,
    version: String(cString: restormer_version()),
    subcommands: [
      RestoreCommand.self, DevicesCommand.self, InfoCommand.self, ExportCommand.self,
      DoctorCommand.self,
      BenchCommand.self, TrainCommand.self, EvaluateCommand.self, CompareCommand.self,
      SubmitCommand.self, DegradeCommand.self, ServeCommand.self,
    ])
}
