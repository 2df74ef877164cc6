import Basics
import Kernels

/// What storing activations as half does to the results of a network on a device.
public struct HalfStorage: Sendable {
  /// The root mean square of the difference to results of float storage, of values in [0, 1], that
  /// is let pass: a picture that is 34 dB from its target moves by less than 0.02 dB.
  public static let bound = 1e-3

  /// The root mean square of the difference; infinite where either result is not finite, or all of
  /// it zero, as on a device that computes nothing.
  public let error: Double

  /// Whether the results stay within the bound.
  public var isWithinBound: Bool { error <= Self.bound }

  /// Runs the network of `weights` on `backend` over a small made-up page, twice.
  /// - Throws: the backend's error; `RuleError`.
  public init(_ weights: ModelWeights, on backend: some Backend) throws {
    try self.init(
      DeviceParameters(weights.model, values: weights.values, on: backend), weights.normalization,
      on: backend)
  }

  init<B: Backend>(
    _ parameters: DeviceParameters<B>, _ normalization: ImageNormalization, on backend: B
  ) throws {
    let results = try [Precision.float, .half].map { precision in
      try Self.run(parameters, normalization, storing: precision, on: backend)
    }
    error = Self.difference(results[0], results[1])
  }

  static func difference(_ a: [Float], _ b: [Float]) -> Double {
    guard (a + b).allSatisfy(\.isFinite), a.contains(where: { $0 != 0 }) else { return .infinity }
    let sum = zip(a, b).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    return (sum / Double(a.count)).squareRoot()
  }

  static func run<B: Backend>(
    _ parameters: DeviceParameters<B>, _ normalization: ImageNormalization,
    storing precision: Precision, on backend: B
  ) throws -> [Float] {
    let model = parameters.model
    let recording = model.inference(
      height: 48, width: 72, precision: precision, on: backend.traits, rules: try .inForce)
    let plan = try Plan(
      recording.graph, keeping: [recording.output], on: backend,
      binding: parameters.bindings(for: recording))
    var page = page(recording.input.shape)
    normalization.apply(to: &page, channels: recording.input.shape.c)
    try plan.write(page, to: recording.input)
    try plan.run()
    var result = try plan.read(recording.output)
    normalization.undo(on: &result, channels: recording.output.shape.c)
    return result
  }

  /// Dark strokes on bright paper, with some noise: both ends of what pictures hold.
  static func page(_ shape: Shape) -> [Float] {
    var generator = SplitMix64(seed: 1)
    return (0..<shape.count).map { index in
      let (x, y) = (index % shape.w, index / shape.w % shape.h)
      let isInk = y / 6 % 2 == 1 && (x / 3 * 7 + y / 12) % 5 < 2
      return (isInk ? 0.05 : 0.9) + 0.1 * generator.nextUnit()
    }
  }
}

/// Decides how a restorer stores activations, once, when it first matters.
struct StorageDecision<B: Backend> {
  private let parameters: DeviceParameters<B>
  private let normalization: ImageNormalization
  private let choice: PrecisionChoice
  /// What was decided; nil until then.
  private(set) var precision: Precision?
  /// Whether half storage was given up.
  private(set) var hasFallenBack = false

  init(
    _ parameters: DeviceParameters<B>, _ normalization: ImageNormalization,
    _ choice: PrecisionChoice
  ) {
    (self.parameters, self.normalization, self.choice) = (parameters, normalization, choice)
  }

  /// What holds from now on.
  /// - Parameter note: hears why a GPU stores float.
  mutating func settle(on backend: B, note: (String) -> Void) -> Precision {
    if let precision { return precision }
    let decided: Precision =
      choice == .automatic ? automatic(on: backend, note) : choice.storage
    precision = decided
    return decided
  }

  private func automatic(on backend: B, _ note: (String) -> Void) -> Precision {
    guard backend.traits.kind == .gpu, backend.traits.storesHalf else { return .float }
    do {
      let check = try HalfStorage(parameters, normalization, on: backend)
      if check.isWithinBound { return .half }
      note("results with half storage are not within bounds on this device: storing float")
    } catch {
      note("half storage could not be tried (\(error)): storing float")
    }
    return .float
  }

  /// Numbers turned up that half precision does not hold.
  mutating func fallBack() { (precision, hasFallenBack) = (.float, true) }
}
