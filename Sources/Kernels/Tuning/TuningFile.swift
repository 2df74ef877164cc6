import CLBackend

/// Where a device's tuned parameters are kept, and its time beside the CPU backend's: entries of
/// the program cache, which are written beside their place and renamed, and which a checksum
/// guards. A damaged entry, or one of another driver, is as good as none.
package struct TuningFile {
  private let cache: ProgramCache?
  private let device: String
  private var key: String { "tuned parameters 1\0" + device }
  private var timeKey: String { "time beside the CPU backend 1\0" + device }

  /// The entry of `device` in `directory`; nil for nowhere.
  public init(
    _ device: OpenCLDevice, directory: String? = ProgramCache.defaultDirectory
  ) {
    cache = directory.map(ProgramCache.init)
    self.device = [
      device.platformName, device.platformVersion, device.name, device.vendor,
      device.driverVersion,
    ].joined(separator: "\0")
  }

  /// What was chosen; nothing where there is no entry.
  public func load(for traits: DeviceTraits) -> TunedParameters {
    guard let bytes = cache?.load(key) else { return TunedParameters() }
    return TunedParameters(text: String(decoding: bytes, as: UTF8.self), for: traits)
  }

  /// Keeps `parameters`, the choices of earlier runs beside them; whether it could be done.
  public func store(_ parameters: TunedParameters, for traits: DeviceTraits) -> Bool {
    let all = load(for: traits).merging(parameters)
    cache?.store(Array(all.text.utf8), for: key)
    return load(for: traits).choices == all.choices
  }

  /// The device's time as a share of the CPU backend's; nil where it was not measured.
  public func loadTimeBesideCPUBackend() -> RelativeTime? {
    cache?.load(timeKey).flatMap { RelativeTime(text: String(decoding: $0, as: UTF8.self)) }
  }

  /// Keeps the device's time as a share of the CPU backend's; whether it could be done.
  public func store(timeBesideCPUBackend time: RelativeTime) -> Bool {
    cache?.store(Array(time.text.utf8), for: timeKey)
    return loadTimeBesideCPUBackend() == time
  }
}
