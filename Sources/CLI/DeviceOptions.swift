import ArgumentParser
import Foundation
import Kernels

/// The device option shared by every command that computes.
struct DeviceOptions: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: """
      auto, gpu, cpu (the CPU backend), a number of `restormer devices`, or part of a name. \
      RESTORMER_DEVICE sets the default.
      """)
  var device: String?

  /// What was asked for, here or in the environment.
  var request: String {
    if let device { return device }
    let variable = ProcessInfo.processInfo.environment["RESTORMER_DEVICE"] ?? ""
    return variable.isEmpty ? "auto" : variable
  }

  func open(
    _ configuration: KernelConfiguration? = nil, profiling: Bool = false
  ) throws -> OpenedBackend {
    try OpenedBackend.open(
      request, configuration: configuration, profiling: profiling, warn: Console.warn)
  }
}
