import CLBackend
import XCTest

final class DeviceTests: XCTestCase {
  func testFieldsAreSane() throws {
    let devices = OpenCLDevice.all()
    guard !devices.isEmpty else { throw XCTSkip("no OpenCL device") }
    for device in devices {
      for text in [
        device.name, device.vendor, device.driverVersion, device.platformName,
        device.platformVersion,
      ] {
        XCTAssertFalse(text.isEmpty, device.name)
        XCTAssertFalse(text.contains { $0.isNewline || $0 == "\0" }, device.name)
      }
      XCTAssertTrue(device.version.hasPrefix("OpenCL "), device.version)
      XCTAssertGreaterThan(device.globalMemory, 1 << 20)
      XCTAssertGreaterThan(device.maxAllocation, 0)
      XCTAssertLessThanOrEqual(device.maxAllocation, device.globalMemory)
      XCTAssertGreaterThanOrEqual(device.localMemory, 16 << 10)
      XCTAssertGreaterThan(device.computeUnits, 0)
      XCTAssertGreaterThan(device.maxWorkGroupSize, 0)
      XCTAssertGreaterThanOrEqual(device.memoryAlignment, 16)
      XCTAssertGreaterThanOrEqual(device.maxClock, 0)
    }
    XCTAssertTrue(devices.contains(where: \.isAvailable))
  }

  func testListingNamesNoFailureWhereDevicesAreFound() throws {
    let (devices, errors) = OpenCLDevice.enumerate()
    guard !devices.isEmpty else { throw XCTSkip("no OpenCL device") }
    for (platform, error) in errors {
      XCTAssertFalse(platform.isEmpty)
      XCTAssertNotEqual(error.code, 0)
    }
    XCTAssertEqual(devices.map(\.name), OpenCLDevice.all().map(\.name))
  }
}
