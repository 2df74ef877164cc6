import ArgumentParser
import Kernels
import Restormer

/// The option of every command that restores.
struct PrecisionOptions: ParsableArguments {
  @Option(
    name: .long,
    help: """
      How what lies between layers is stored: float; half, with half the memory and float \
      arithmetic, on OpenCL devices; auto, half on GPUs on which the network's results stay within \
      bounds (see doctor). Or tf32: as float, with products of 11 significant bits, on matrix units.
      """)
  var precision = PrecisionChoice.automatic
}

extension PrecisionChoice: ExpressibleByArgument {}
