import CMicroKernels
import Foundation

/// The vector instructions that the inner loops of the CPU backend use: the most that the machine
/// has, or what `RESTORMER_CPU_FEATURES` names, to see what another machine would do.
package enum InstructionSet: String, CaseIterable, Sendable {
  /// What every machine of its kind has: SSE2 on x86-64, NEON on 64-bit ARM.
  case portable
  /// AVX2: eight floats at once, multiplied and added in one instruction.
  case avx2
  /// AVX-512: sixteen.
  case avx512

  /// Those that this machine has, from the least to the most.
  package static var available: [InstructionSet] {
    Array(allCases.prefix(Int(restormer_machine_instructions().rawValue) + 1))
  }

  /// The one in use.
  package static var current: InstructionSet { allCases[Int(restormer_instructions().rawValue)] }

  /// Takes this one from now on, or the most there is if that is less.
  package func use() {
    let number = Self.allCases.firstIndex(of: self)!
    restormer_use_instructions(restormer_instruction_set(UInt32(number)))
  }

  /// What the environment asks for has been taken, or cannot be.
  static let settled = Result {
    try chosen(by: ProcessInfo.processInfo.environment["RESTORMER_CPU_FEATURES"])?.use()
  }

  /// The set that a variable of the environment names; nil where it is not set.
  /// - Throws: `DeviceError` where there is none of that name, or not on this machine.
  static func chosen(by name: String?) throws -> InstructionSet? {
    guard let name, !name.isEmpty else { return nil }
    guard let set = available.first(where: { $0.rawValue == name }) else {
      let names = available.map(\.rawValue).joined(separator: ", ")
      throw DeviceError(
        "RESTORMER_CPU_FEATURES: '\(name)', expected what this machine has: \(names)")
    }
    return set
  }
}
