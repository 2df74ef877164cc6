import COpenCL

/// A device of an OpenCL platform and what it says of itself.
public final class OpenCLDevice: @unchecked Sendable {
  /// What kind of processor a device is.
  public enum Kind: String, Sendable {
    /// A graphics processor.
    case gpu
    /// A dedicated accelerator.
    case accelerator
    /// The host's processor.
    case cpu
    /// Anything else.
    case other
  }

  /// The device's name.
  public let name: String
  /// Who made it.
  public let vendor: String
  /// Version of its driver.
  public let driverVersion: String
  /// OpenCL version with the driver's additions.
  public let version: String
  /// The platform that offers it.
  public let platformName: String
  /// OpenCL version of the platform, with its own version.
  public let platformVersion: String
  /// Its kind.
  public let kind: Kind
  /// Bytes of device memory.
  public let globalMemory: Int
  /// Bytes of the largest single allocation.
  public let maxAllocation: Int
  /// Bytes of local memory of one work-group.
  public let localMemory: Int
  /// Independent processors.
  public let computeUnits: Int
  /// Work-items of the largest work-group.
  public let maxWorkGroupSize: Int
  /// Bytes to which every buffer is aligned.
  public let memoryAlignment: Int
  /// Highest clock rate in MHz.
  public let maxClock: Int
  /// Floats that one of its vector instructions works on.
  public let nativeFloatWidth: Int
  /// Whether the device shares the host's memory.
  public let hasUnifiedMemory: Bool
  /// Whether the device can be opened.
  public let isAvailable: Bool
  /// Generation of an NVIDIA device's instructions, such as (8, 6); zeros for others, whose drivers
  /// do not know the question.
  package let nvidiaComputeCapability: (major: Int, minor: Int)
  /// Whether it is Mesa's renderer for host processors, whatever kind it says it is.
  package var isMesaSoftware: Bool { Mesa.isSoftware(name) }
  let id: cl_device_id

  init(_ id: cl_device_id, platform: String, platformVersion: String) {
    let query = DeviceQuery(id: id)
    self.id = id
    platformName = platform
    self.platformVersion = platformVersion
    name = query.text(CL_DEVICE_NAME)
    vendor = query.text(CL_DEVICE_VENDOR)
    driverVersion = query.text(CL_DRIVER_VERSION)
    version = query.text(CL_DEVICE_VERSION)
    globalMemory = query.number(CL_DEVICE_GLOBAL_MEM_SIZE, as: cl_ulong.self)
    maxAllocation = query.number(CL_DEVICE_MAX_MEM_ALLOC_SIZE, as: cl_ulong.self)
    localMemory = query.number(CL_DEVICE_LOCAL_MEM_SIZE, as: cl_ulong.self)
    computeUnits = query.number(CL_DEVICE_MAX_COMPUTE_UNITS, as: cl_uint.self)
    maxWorkGroupSize = query.number(CL_DEVICE_MAX_WORK_GROUP_SIZE, as: Int.self)
    nativeFloatWidth = query.number(CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, as: cl_uint.self)
    memoryAlignment = query.number(CL_DEVICE_MEM_BASE_ADDR_ALIGN, as: cl_uint.self) / 8
    maxClock = query.number(CL_DEVICE_MAX_CLOCK_FREQUENCY, as: cl_uint.self)
    isAvailable = query.number(CL_DEVICE_AVAILABLE, as: cl_bool.self) != 0
    hasUnifiedMemory = query.number(CL_DEVICE_HOST_UNIFIED_MEMORY, as: cl_bool.self) != 0
    nvidiaComputeCapability = (
      query.number(computeCapabilityMajorNV, as: cl_uint.self),
      query.number(computeCapabilityMinorNV, as: cl_uint.self)
    )
    let type = query.number(CL_DEVICE_TYPE, as: cl_device_type.self)
    if type & Int(CL_DEVICE_TYPE_GPU) != 0 {
      kind = .gpu
    } else if type & Int(CL_DEVICE_TYPE_ACCELERATOR) != 0 {
      kind = .accelerator
    } else {
      kind = type & Int(CL_DEVICE_TYPE_CPU) != 0 ? .cpu : .other
    }
  }

  /// The devices of every platform, none where no driver is installed; a platform that cannot be
  /// listed is left out (`enumerate()` names it).
  public static func all() -> [OpenCLDevice] { enumerate().devices }

  /// The devices of every platform, and the platforms that failed to list theirs.
  public static func enumerate() -> (
    devices: [OpenCLDevice], errors: [(platform: String, error: OpenCLError)]
  ) {
    var devices: [OpenCLDevice] = []
    var errors: [(platform: String, error: OpenCLError)] = []
    do {
      for platform in try platforms() {
        let name = platformText(platform, CL_PLATFORM_NAME)
        let version = platformText(platform, CL_PLATFORM_VERSION)
        do {
          devices += try ids(of: platform).map {
            OpenCLDevice($0, platform: name, platformVersion: version)
          }
        } catch let error as OpenCLError {
          errors.append((name, error))
        }
      }
    } catch let error as OpenCLError {
      errors.append(("loader", error))
    } catch {}
    return (devices, errors)
  }

  private static func platforms() throws -> [cl_platform_id] {
    var count: cl_uint = 0
    let code = clGetPlatformIDs(0, nil, &count)
    // The loader's way to say that no driver is installed.
    if code == -1001 || (code == CL_SUCCESS && count == 0) { return [] }
    try check("clGetPlatformIDs", code)
    var ids = [cl_platform_id?](repeating: nil, count: Int(count))
    try check("clGetPlatformIDs", clGetPlatformIDs(count, &ids, nil))
    return ids.compactMap { $0 }
  }

  private static func ids(of platform: cl_platform_id) throws -> [cl_device_id] {
    var count: cl_uint = 0
    let code = clGetDeviceIDs(platform, cl_device_type(CL_DEVICE_TYPE_ALL), 0, nil, &count)
    if code == CL_DEVICE_NOT_FOUND { return [] }
    try check("clGetDeviceIDs", code)
    var ids = [cl_device_id?](repeating: nil, count: Int(count))
    try check(
      "clGetDeviceIDs",
      clGetDeviceIDs(platform, cl_device_type(CL_DEVICE_TYPE_ALL), count, &ids, nil))
    return ids.compactMap { $0 }
  }

  private static func platformText(_ platform: cl_platform_id, _ parameter: Int32) -> String {
    readText { clGetPlatformInfo(platform, cl_platform_info(parameter), $0, $1, $2) }
  }
}

/// `CL_DEVICE_COMPUTE_CAPABILITY_MAJOR_NV` and `_MINOR_NV` of the extension
/// `cl_nv_device_attribute_query`.
private let computeCapabilityMajorNV: Int32 = 0x4000
private let computeCapabilityMinorNV: Int32 = 0x4001

/// Reads the properties of one device; what a driver does not know is empty or zero.
private struct DeviceQuery {
  let id: cl_device_id

  func text(_ parameter: Int32) -> String {
    readText { clGetDeviceInfo(id, cl_device_info(parameter), $0, $1, $2) }
  }

  func number<Number: FixedWidthInteger>(_ parameter: Int32, as type: Number.Type) -> Int {
    var value: Number = 0
    clGetDeviceInfo(id, cl_device_info(parameter), MemoryLayout<Number>.size, &value, nil)
    return Int(clamping: value)
  }
}

/// Asks an OpenCL query for the length of its text, then for the text.
func readText(
  _ query: (Int, UnsafeMutableRawPointer?, UnsafeMutablePointer<Int>?) -> Int32
) -> String {
  var length = 0
  guard query(0, nil, &length) == CL_SUCCESS, length > 0 else { return "" }
  var bytes = [UInt8](repeating: 0, count: length)
  guard query(length, &bytes, nil) == CL_SUCCESS else { return "" }
  let text = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
  // Some drivers pad their names; a name must fit into one line of a message.
  return text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
}
