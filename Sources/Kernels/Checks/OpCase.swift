import Basics

/// How the random elements of an input are drawn.
package enum ValueRange: Sendable {
  /// Uniform in [-1, 1).
  case symmetric
  /// Uniform in [0, 1).
  case unit
  /// Uniform in [0.5, 1.5): scales, variances, temperatures.
  case positive
  /// Uniform in [512, 1536): factors of a loss, whose gradient half precision is to hold.
  case scale
}

/// One way to apply an operator: its attributes, the shapes of its inputs, and how to fill them.
package struct OpCase: Sendable {
  /// The operator with its attributes.
  public let op: any CatalogOp
  /// Shapes of the inputs.
  public let inputs: [Shape]
  /// How each input is drawn.
  public let ranges: [ValueRange]
  /// The largest relative error between two backends, `‖a − b‖ / ‖b‖` over each output.
  public let tolerance: Double

  /// A case; inputs without a range are drawn from [-1, 1).
  public init(
    _ op: any CatalogOp, _ inputs: [Shape], _ ranges: [ValueRange] = [], tolerance: Double = 1e-5
  ) {
    self.op = op
    self.inputs = inputs
    self.ranges = ranges + Array(repeating: .symmetric, count: max(0, inputs.count - ranges.count))
    self.tolerance = tolerance
  }

  /// The largest relative error where the operator's activations are stored so.
  public func tolerance(storing precision: Precision) -> Double {
    let half = precision == .half ? (op as? any HalfStoringOp)?.halfTolerance : nil
    return max(tolerance, half ?? 0)
  }

  /// Whether the operator can store its activations as half.
  public var storesHalf: Bool { op is any HalfStoringOp }

  /// Name and input shapes in one line.
  public var label: String { inputs.map(\.description).joined(separator: " ") }

  /// Whether a simulator gets through it in about a second.
  public var isTiny: Bool { inputs.reduce(0) { $0 + $1.count } <= 4000 }

  /// Fresh random inputs, dense and row-major, determined by `seed`.
  public func randomInputs(seed: UInt64) -> [[Float]] {
    var generator = SplitMix64(seed: seed)
    return zip(inputs, ranges).map { shape, range in
      (0..<shape.count).map { _ in
        let unit = generator.nextUnit()
        switch range {
        case .symmetric: return 2 * unit - 1
        case .unit: return unit
        case .positive: return 0.5 + unit
        case .scale: return 1024 * (0.5 + unit)
        }
      }
    }
  }
}

/// An operator of the catalogue: both forms, the definition to which they are held, and the cases
/// that tests, `doctor` and `bench` run.
package protocol CatalogOp: CPUOp, OpenCLOp, DefinedOp {
  /// The section of `kernels.cl` with its kernels: by default the operator's name.
  static var section: String { get }
  /// Cases for agreement: odd and degenerate sizes, batch 2, every attribute.
  static var cases: [OpCase] { get }
  /// What the tuner may try: by default nothing.
  static var tuning: TuningSpace { get }
}

extension CatalogOp {
  public static var section: String { name }
  public static var tuning: TuningSpace { .none }

  /// Whether there is anything that the tuner may try.
  var isTunable: Bool { Self.tuning != .none }
}
