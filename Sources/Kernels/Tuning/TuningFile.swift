import CLBackend

/// Where a device's tuned parameters are kept: an entry of the program cache, which is written beside its place and renamed,
/// and which a checksum guards. A damaged entry, or one of another driver, is as good as none.
public struct TuningFile {
  private let cache: ProgramCache?
  private let key: String

  /// The entry of `device` in `directory`; nil for nowhere.
  public init(
    _ device: OpenCLDevice, directory: String? = ProgramCache.defaultDirectory
  ) {
    cache = directory.map(ProgramCache.init)
    key = [
      "tuned parameters 1", device.platformName, device.platformVersion, device.name,
      device.vendor, device.driverVersion,
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
}
