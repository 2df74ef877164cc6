import Kernels

extension RestormerModel {
  /// The forward pass over `n` images of `height x width`, as a device is to run it.
  func inference(
    n: Int = 1, height: Int, width: Int, saving: MemorySaving = .none,
    precision: Precision = .float, on traits: DeviceTraits, rules: RuleSelection
  ) -> Recording {
    let recording = record(n: n, height: height, width: width)
    recording.graph.lower(
      for: LoweringTarget(
        traits, .inference, saving: saving, precision: precision, rules: rules),
      keeping: [recording.output])
    return recording
  }
}
