import CLBackend
import Kernels
import TestSupport
import XCTest

/// What operators and rewrites may ask of a device.
final class DeviceTraitsTests: XCTestCase {
  func testADeviceShapedAsAGPUStaysWhatItIs() throws {
    let (own, shaped) = (try Device.shared(), try Device.gpuShaped())
    XCTAssertEqual(shaped.traits.kind, .gpu)
    var expected = own.traits
    expected.kind = .gpu
    XCTAssertEqual(shaped.traits, expected, "only the cut of its work differs")
    XCTAssertEqual(own.traits.maxGroupSize, own.context.device.maxWorkGroupSize)
    XCTAssertEqual(own.traits.computeUnits, own.context.device.computeUnits)
  }

  func testTheHostIsACPU() {
    let traits = CPUBackend().traits
    XCTAssertTrue(traits.isCPU && traits.sharesHostMemory)
    XCTAssertFalse(traits.hasMatrixUnit)
  }
}
