import CLBackend

/// The tunable numbers of the kernels, handed to the compiler as `-D NAME=VALUE`.
///
/// Each kernel section of `kernels.cl` declares its tunables with a default; a configuration
/// overrides them for a device family or a tuned device. Results never depend on it beyond
/// rounding, but for `matrixFactors`.
public struct KernelConfiguration: Hashable, Sendable {
  /// Values by the tunable's name.
  package var defines: [String: Int]
  /// The device that kernels are shaped for.
  package var traits: DeviceTraits
  /// Work-items per group in the pixel dimension of elementwise and register-blocked kernels.
  package var groupSize: Int

  /// Floats that a work-item loads at once in register-blocked kernels.
  package var vectorWidth: Int
  /// Output rows and vectors of the register block of matrix products.
  package var blockRows: Int
  /// Vectors of columns in the register block of matrix products.
  package var blockVectors: Int

  /// Who multiplies in a GPU's products.
  package var matrixUnit = MatrixUnit.none
  /// The unit's factors that a float is split in: two keep its precision, one is plain TF32.
  package var matrixFactors = 2

  /// Elements of the widest tensor in a band of rows that a chain of operators takes at a time: on
  /// a CPU few enough to stay in cache (measured: 1 M best on three levels of the paper's network),
  /// on a GPU enough for all its cores.
  package var bandElements: Int
  var bandSizes: BandSizes { BandSizes(elements: bandElements) }

  /// Output channels of one work-item of a GPU's product and its pixels, a multiple of 4.
  var tileItemRows = 6, tileItemColumns = 8
  /// Work-items of a group along output channels and along pixels.
  var tileRowItems = 8, tileColumnItems = 32

  /// The shipped defaults for a device.
  public init(for traits: DeviceTraits) {
    self.traits = traits
    let isCPU = traits.isCPU
    groupSize = isCPU ? 4 : 64
    vectorWidth = isCPU ? 16 : 4
    blockRows = isCPU ? 6 : 8
    // 32 registers of 16 floats hold four times the block that 16 registers of 8 do.
    blockVectors = isCPU && traits.vectorWidth >= 16 ? 4 : 1
    bandElements = isCPU ? 1 << 20 : 1 << 24
    defines = [:]
  }

  /// The shipped defaults for any device of a kind.
  public init(for kind: DeviceTraits.Kind) { self.init(for: DeviceTraits(kind)) }

  /// The rows of a register block of which the fewest are left over in a product with `rows` output
  /// rows.
  func fittingBlockRows(_ rows: Int) -> Int {
    guard traits.isCPU else { return min(rows, blockRows) }
    return (min(3, blockRows)...blockRows).reversed().min {
      roundUp(rows, $0) < roundUp(rows, $1)
    } ?? blockRows
  }

  /// Elements by which elementwise kernels advance.
  var elementWidth: Int { traits.isCPU ? 16 : 1 }

  /// The compiler options for a section of `kernels.cl`.
  func options(for section: String) -> String {
    var all = KernelNumbers.all(of: section, self)
    if traits.isCPU { all["CPU_DEVICE"] = "1" }
    // A launch may fit a tunable to its shapes.
    all.merge(defines.mapValues(String.init)) { $1 }
    let defined = all.sorted { $0.key < $1.key }.map { "-D \($0.key)=\($0.value)" }
    // Some compilers print warnings straight to the terminal; `make lint` is where kernels are held
    // to none.
    return (["-w"] + defined).joined(separator: " ")
  }
}
