import CLBackend

/// The numbers that ship for a kind of device, by operator: rows that `restormer bench --tune` printed on one of the kind.
/// They hold until the device at hand is tuned.
enum ShippedSettings {
  /// Numbers for one operator on one kind of device.
  struct Row {
    let isCPUFamily: Bool
    /// Floats of one vector instruction, for CPUs.
    let nativeWidth: Int
    let family: String
    let settings: TunedSettings
  }

  static let rows: [Row] = []

  /// The rows for a device, by operator.
  static func settings(isCPUFamily: Bool, nativeWidth: Int) -> [String: TunedSettings] {
    let fitting = rows.filter {
      $0.isCPUFamily == isCPUFamily && (!isCPUFamily || $0.nativeWidth == nativeWidth)
    }
    return Dictionary(fitting.map { ($0.family, $0.settings) }) { first, _ in first }
  }
}
