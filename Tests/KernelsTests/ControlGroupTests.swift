import Foundation
import Kernels
import TestSupport
import XCTest

/// Limits of containers and of a cluster's jobs, in both versions of control groups.
final class ControlGroupTests: XCTestCase {
  private let root = NSTemporaryDirectory() + "groups-\(UUID().uuidString)"

  override func tearDown() { try? FileManager.default.removeItem(atPath: root) }

  private func group(_ membership: String, _ files: [String: String]) throws -> ControlGroup {
    var files = files
    files["membership"] = membership
    for (name, text) in files {
      let path = "\(root)/\(name)"
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try text.write(toFile: path, atomically: true, encoding: .utf8)
    }
    return ControlGroup(root: root, membership: "\(root)/membership")
  }

  func testTheTightestGroupOfTheSecondVersionCounts() throws {
    let group = try group(
      "0::/job/step\n",
      [
        "cpu.max": "max 100000\n", "job/cpu.max": "250000 100000\n",
        "job/step/cpu.max": "800000 100000\n", "job/memory.max": "5000\n",
        "job/memory.current": "3000\n", "job/memory.stat": "anon 7\ninactive_file 500\n",
        "job/step/memory.max": "max\n", "job/step/memory.current": "100\n",
      ])
    XCTAssertEqual(group.cores, 3, "two and a half cores keep three threads busy")
    XCTAssertEqual(group.memory, 2500)
  }

  func testAContainerOfTheFirstVersionIsTheTopmostFolder() throws {
    let group = try group(
      "5:cpu,cpuacct:/docker/0123\n4:memory:/docker/0123\n",
      [
        "cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": "4096\n", "memory/memory.usage_in_bytes": "5000\n",
        "memory/memory.stat": "total_inactive_file 96\n",
      ])
    XCTAssertEqual(group.cores, 1)
    XCTAssertEqual(group.memory, 0)
  }

  func testNoLimitIsNone() throws {
    let group = try group(
      "5:cpu,cpuacct:/\n4:memory:/\n0::/\n",
      [
        "cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
        "memory/memory.usage_in_bytes": "5000\n", "cpu.max": "nonsense",
      ])
    XCTAssertNil(group.cores)
    XCTAssertNil(group.memory)
  }
}
