import COpenCL
import Foundation

/// What is particular to PoCL, the portable implementation that runs on host processors.
package enum PoCL {
  /// Whether a platform of this name is PoCL.
  package static func isPlatform(_ name: String) -> Bool { name == "Portable Computing Language" }

  /// Whether an executable file `name` lies in a folder of `path`, a list separated by colons.
  package static func finds(_ name: String, path: String) -> Bool {
    path.split(separator: ":").contains { access("\($0)/\(name)", X_OK) == 0 }
  }

  /// PoCL aborts the whole process when it finds no linker.
  /// - Throws: `OpenCLError` saying so instead.
  static func checkLinker() throws {
    guard finds("ld", path: ProcessInfo.processInfo.environment["PATH"] ?? "") else {
      throw OpenCLError(
        call: "clBuildProgram", code: CL_LINKER_NOT_AVAILABLE,
        detail: "PoCL needs the linker 'ld' (package binutils) in PATH")
    }
  }

  /// Bounds the threads of platforms that are loaded from now on; what the user has set already
  /// stays.
  package static func limitThreads(to count: Int) {
    // The first is the name since PoCL 4.
    for name in ["POCL_CPU_MAX_CU_COUNT", "POCL_MAX_PTHREAD_COUNT"] { setenv(name, "\(count)", 0) }
  }
}
