import ArgumentParser

/// The program: one subcommand a file.
@main
struct RestormerCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restormer",
    abstract: "Trains and runs Restormer on any OpenCL device or the CPU.",
    version: "0.1.0",
    subcommands: [
      RestoreCommand.self, DevicesCommand.self, InfoCommand.self, DoctorCommand.self,
      BenchCommand.self, TrainCommand.self, EvaluateCommand.self,
    ])
}
