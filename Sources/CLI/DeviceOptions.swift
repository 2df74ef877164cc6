import ArgumentParser
import Foundation
import Kernels
import Restormer

/// The device option shared by every command that computes.
struct DeviceOptions: ParsableArguments {
  @Option(
    name: [.short, .long], parsing: .unconditional,
    help: """
      auto, gpu, cpu (the CPU backend), a number of `restormer devices`, or part of a name. \
      RESTORMER_DEVICE sets the default. Ranks of an MPI job share out a list \
      such as 0,1.
      """)
  var device: String?

  @Option(
    name: [.customShort("j"), .long], within: 1...4096,
    help: "Threads of the CPU backend and of PoCL at most; by default one for each core.")
  var threads: Int?

  func validate() throws {
    if let threads { WorkerThreads.limit(to: threads) }
  }

  /// What was asked for, here or in the environment.
  var request: String {
    if let device { return device }
    let variable = ProcessInfo.processInfo.environment["RESTORMER_DEVICE"] ?? ""
    return variable.isEmpty ? "auto" : variable
  }

  func open(
    for purpose: DevicePurpose = .restoring, _ configuration: KernelConfiguration? = nil,
    profiling: Bool = false
  ) throws -> OpenedBackend {
    try OpenedBackend.open(
      try RankGroup.current.map(ownRequest) ?? request, for: purpose,
      configuration: configuration, profiling: profiling, warn: Console.warn)
  }

  /// What one of several ranks takes: its own of a list, or else a GPU of its own where there are
  /// any.
  /// - Throws: `DeviceError` where there are fewer GPUs than ranks on this host and none was asked
  ///   for by name.
  private func ownRequest(_ ranks: RankGroup) throws -> String {
    let list = request.split(separator: ",").map(String.init)
    if list.count > 1 { return list[ranks.localRank % list.count] }
    guard ["auto", "gpu"].contains(request) else { return request }
    let gpus = DeviceList().devices.enumerated().filter { $0.element.isGPU }.map(\.offset)
    guard !gpus.isEmpty else { return request }
    guard ranks.localRank < gpus.count else {
      throw DeviceError(
        "rank \(ranks.localRank + 1) of this host and \(gpus.count) GPUs: "
          + "-d \(gpus[0]) or a list lets ranks share them")
    }
    return "\(gpus[ranks.localRank])"
  }
}
