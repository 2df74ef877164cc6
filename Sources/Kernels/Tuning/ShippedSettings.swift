import CLBackend

/// The numbers that ship for a kind of device, by operator: rows that `restormer bench --tune` printed on one of the kind.
/// They hold until the device at hand is tuned.
enum ShippedSettings {
  /// Numbers for one operator on one kind of device.
  struct Row {
    let kind: DeviceTraits.Kind
    /// Floats of one vector instruction, for CPUs.
    let vectorWidth: Int
    let family: String
    let settings: TunedSettings
  }

  static let rows: [Row] = []

  /// The rows for a device, by operator.
  static func settings(for traits: DeviceTraits) -> [String: TunedSettings] {
    let fitting = rows.filter {
      $0.kind == traits.kind && (!traits.isCPU || $0.vectorWidth == traits.vectorWidth)
    }
    return Dictionary(fitting.map { ($0.family, $0.settings) }) { first, _ in first }
  }
}
