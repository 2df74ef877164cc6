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
  public func load(isCPUFamily: Bool) -> TunedParameters {
    guard let bytes = cache?.load(key) else { return TunedParameters() }
    return TunedParameters(text: String(decoding: bytes, as: UTF8.self), isCPUFamily: isCPUFamily)
  }

  /// Keeps `parameters`, the choices of earlier runs beside them; whether it could be done.
  public func store(_ parameters: TunedParameters, isCPUFamily: Bool) -> Bool {
    let all = load(isCPUFamily: isCPUFamily).merging(parameters)
    cache?.store(Array(all.text.utf8), for: key)
    return load(isCPUFamily: isCPUFamily).choices == all.choices
  }
}

extension TunedParameters {
  /// What was chosen on `device`, over what ships for its kind.
  static func forDevice(_ device: OpenCLDevice, isCPUFamily: Bool) -> TunedParameters {
    var result = TuningFile(device).load(isCPUFamily: isCPUFamily)
    result.defaults = ShippedSettings.settings(
      isCPUFamily: isCPUFamily, nativeWidth: device.nativeFloatWidth)
    return result
  }
}
