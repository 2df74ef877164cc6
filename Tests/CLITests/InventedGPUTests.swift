import Foundation
import Restormer
import XCTest

/// What the program asks of cards of many sizes, seen on one that does not exist.
final class InventedGPUTests: XCTestCase {
  private let mebi = 1 << 20

  /// The paper's training step needs several allocations wherever one may not be large, and what is
  /// printed as needed is what is allocated.
  func testTrainingStepsFitAnyLargestAllocation() throws {
    for (allocation, batch) in [(512, 1), (1024, 1), (1536, 1), (2048, 2), (3072, 2), (20_240, 12)]
    {
      let gpu = try InventedGPU(["MEMORY": 80_000 * mebi, "ALLOCATION": allocation * mebi])
      let run = try gpu.run(
        ["bench", "training", "-d", "gpu", "--repeats", "1", "--batch", "\(batch)", "--json"])
      XCTAssertEqual(run.program.status, 0, "\(allocation) MiB: \(run.program.errors)")
      XCTAssertLessThanOrEqual(run.buffers.max() ?? 0, allocation * mebi)
      let printed = try XCTUnwrap(number("memory", in: run.program.output))
      // Beside the step lie the three numbers of the device's first test.
      XCTAssertEqual(run.mostInUse, printed, accuracy: 4096, "\(allocation) MiB")
    }
  }

  /// Runs of the paper's network plan for what a card of any size has; where nothing fits they say
  /// what would.
  func testTrainingPlansForCardsOfAllSizes() throws {
    let scratch = try Scratch()
    for name in ["input/a.png", "target/a.png"] { try scratch.picture("data/" + name, 32, 32) }
    for memory in [512, 1024, 2048, 4096, 8192, 81_920] {
      for allocation in [memory / 4, memory] {
        let gpu = try InventedGPU(["MEMORY": memory * mebi, "ALLOCATION": allocation * mebi])
        let run = try gpu.run([
          "train", "--data", scratch.file("data"), "--preset", "compact", "--patch", "32",
          "--batch", "16", "--steps", "1", "--experiments", scratch.file("runs"),
          "--name", "\(memory)-\(allocation)", "-d", "gpu",
        ])
        XCTAssertLessThanOrEqual(run.mostInUse, memory * mebi / 8 * 7)
        XCTAssertLessThanOrEqual(run.buffers.max() ?? 0, allocation * mebi)
        if run.program.status != 0 {
          XCTAssertEqual(run.program.faults.count, 1, run.program.errors)
          XCTAssertTrue(run.program.errors.contains("would fit"), run.program.errors)
          XCTAssertLessThan(memory, 1024, "small enough for what has a gigabyte")
        }
      }
    }
  }

  func testPicturesAreRestoredOnCardsOfAllSizes() throws {
    let scratch = try Scratch()
    let (picture, weights) = (try scratch.picture("a.png", 640, 480), try scratch.weights())
    for (memory, allocation) in [(128, 32), (128, 128), (512, 128), (2048, 512), (81_920, 81_920)] {
      let gpu = try InventedGPU(["MEMORY": memory * mebi, "ALLOCATION": allocation * mebi])
      let run = try gpu.run([
        "restore", picture, "-m", weights, "-o", scratch.file("out.png"), "-d", "gpu",
        "--overwrite", "--verbose",
      ])
      XCTAssertEqual(run.program.status, 0, run.program.errors)
      XCTAssertLessThanOrEqual(run.mostInUse, memory * mebi / 8 * 7)
      XCTAssertLessThanOrEqual(run.buffers.max() ?? 0, allocation * mebi)
      XCTAssertEqual(
        run.program.errors.contains("tiles of"), memory == 128, run.program.errors)
    }
  }

  /// Other programs hold memory that the driver reports as the card's: found out at an allocation
  /// or only at a launch.
  func testARunGoesOnWhereTheDriverPromisedTooMuch() throws {
    let scratch = try Scratch()
    for name in ["input/a.png", "target/a.png"] { try scratch.picture("data/" + name, 64, 64) }
    let (picture, weights) = (try scratch.picture("a.png", 640, 480), try scratch.weights())
    for lazy in [0, 1] {
      let trainer = try InventedGPU(["FREE": 300 * mebi, "LAZY": lazy])
      let trained = try trainer.run([
        "train", "--data", scratch.file("data"), "--preset", "tiny", "--patch", "64",
        "--batch", "8", "--steps", "2", "--accumulate", "2", "--experiments", scratch.file("runs"),
        "--name", "lazy\(lazy)", "-d", "gpu",
      ])
      XCTAssertEqual(trained.program.status, 0, trained.program.errors)
      let said = trained.program.errors.components(separatedBy: "going on with recompute").count
      XCTAssertEqual(said, 2, trained.program.errors)

      let restorer = try InventedGPU(["FREE": 100 * mebi, "LAZY": lazy])
      let restored = try restorer.run([
        "restore", picture, "-m", weights, "-o", scratch.file("out\(lazy).png"), "-d", "gpu",
      ])
      XCTAssertEqual(restored.program.status, 0, restored.program.errors)
      XCTAssertTrue(
        restored.program.errors.contains("out of memory: going on with"), restored.program.errors)
    }
  }

  /// A card that lends the machine's memory plans for what the machine has free.
  func testSharedMemoryIsTheMachines() throws {
    let gpu = try InventedGPU(["MEMORY": 1 << 50, "ALLOCATION": 1 << 48, "SHARED": 1])
    let scratch = try Scratch()
    for name in ["input/a.png", "target/a.png"] { try scratch.picture("data/" + name, 32, 32) }
    let run = try gpu.run([
      "train", "--data", scratch.file("data"), "--preset", "paper", "--patch", "4096",
      "--batch", "64", "--steps", "1", "--experiments", scratch.file("runs"), "-d", "gpu",
    ])
    XCTAssertNotEqual(run.program.status, 0)
    XCTAssertTrue(run.program.errors.contains("would fit"), run.program.errors)
    XCTAssertTrue(run.launches.count < 10, "nothing was tried")
  }

  /// Mesa's renderer for host processors says that it is a GPU and ends long loops: nobody gets it
  /// who did not ask, and who asks is told.
  func testWhatOnlyPosesAsAGPUIsNotChosen() throws {
    for platform in [1, 2] {
      let gpu = try InventedGPU(["MESA": platform])
      let list = try gpu.run(["devices"], environment: ["RESTORMER_DEVICE": "auto"]).program
      XCTAssertTrue(list.output.contains("*  1  CPU backend"), list.output)
      XCTAssertTrue(list.output.contains("0: llvmpipe ends loops"), list.output)
      let json = try gpu.run(["devices", "--json"]).program.output
      XCTAssertTrue(json.contains("\"caution\""), json)
    }
    let asked = try InventedGPU(["MESA": 1]).run([
      "bench", "inference", "-d", "gpu", "--preset", "tiny", "--size", "16x16", "--repeats", "1",
    ]).program
    XCTAssertTrue(asked.errors.contains("llvmpipe ends loops"), asked.errors)
  }

  /// A unit that multiplies wrong, as that of a card that computes nothing, is found out and not
  /// used; a wish decides, and cards without one are not asked.
  func testMatrixUnitsAreCheckedBeforeTheyAreUsed() throws {
    func used(_ capability: Int, _ wish: String) throws -> Bool? {
      let gpu = try InventedGPU(["CAPABILITY": capability])
      let doctor = try gpu.run(
        ["doctor", "-d", "gpu", "--tiny", "--json"],
        environment: ["RESTORMER_MATRIX_UNIT": wish]
      ).program
      let report = try JSONSerialization.jsonObject(with: Data(doctor.output.utf8))
      return try XCTUnwrap(report as? [String: Any])["uses_matrix_unit"] as? Bool
    }
    XCTAssertEqual(try used(9, "auto"), false)
    XCTAssertEqual(try used(9, "on"), true)
    XCTAssertEqual(try used(9, "off"), false)
    XCTAssertNil(try used(7, "on"))
    XCTAssertNil(try used(0, "on"))
    let strange = try InventedGPU().run(
      ["doctor", "-d", "gpu", "--tiny"], environment: ["RESTORMER_MATRIX_UNIT": "yes"]
    ).program
    XCTAssertTrue(
      strange.errors.contains("RESTORMER_MATRIX_UNIT: 'yes', expected one of auto, on, off"),
      strange.errors)
  }

  /// Launches cost a GPU more than most of the work in them: the plan says how many there are, and
  /// so many are started.
  func testLaunchesOfThePapersNetwork() throws {
    let gpu = try InventedGPU(["MEMORY": 16_000 * mebi])
    let plan = try gpu.run(["bench", "plan", "-d", "gpu", "--json"]).program
    let report = try XCTUnwrap(
      try JSONSerialization.jsonObject(with: Data(plan.output.utf8)) as? [String: Any], plan.errors)
    for (part, most) in [("inference", 450), ("training", 1500)] {
      let object = try XCTUnwrap(report[part + "_plan"] as? [String: Any])
      let launches = try XCTUnwrap(object["launches"] as? Int)
      XCTAssertLessThan(launches, most, part)
      // Two runs, and what there is beside them: the device's first test, the optimizer's step.
      let run = try gpu.run(["bench", part, "-d", "gpu", "--repeats", "1"])
      XCTAssertEqual(run.launches.count / 2, launches + (part == "training" ? 1 : 0), part)
    }
  }

  /// The paper's network with activations of two bytes: about half the traffic and memory, in as
  /// many launches; what is printed as needed is what is allocated; tiles grow.
  func testHalfStorageTakesHalfOfACard() throws {
    let scratch = try Scratch()
    let gpu = try InventedGPU(["MEMORY": 16_000 * mebi])
    let plans = try ["float", "half"].map { precision in
      let plan = try gpu.run(["bench", "plan", "-d", "gpu", "--json", "--precision", precision])
      let report = try JSONSerialization.jsonObject(with: Data(plan.program.output.utf8))
      return try ["inference_plan", "training_plan"].map {
        try XCTUnwrap(
          (report as? [String: Any])?[$0] as? [String: Any], plan.program.errors)
      }
    }
    for (float, half) in zip(plans[0], plans[1]) {
      for key in ["bytes", "activations"] {
        let bytes = [float, half].map { $0[key] as? Double ?? 0 }
        XCTAssertLessThan(bytes[1], 0.56 * bytes[0], key)
        XCTAssertGreaterThan(bytes[1], 0.45 * bytes[0], key)
      }
      XCTAssertLessThanOrEqual(
        half["launches"] as? Int ?? .max, float["launches"] as? Int ?? 0)
    }
    for part in ["inference", "training"] {
      let run = try gpu.run([
        "bench", part, "-d", "gpu", "--repeats", "1", "--json", "--precision", "half",
      ])
      let printed = try XCTUnwrap(number("memory", in: run.program.output))
      XCTAssertEqual(run.mostInUse, printed, accuracy: 4096, part)
    }
    let (picture, weights) = (try scratch.picture("a.png", 640, 480), try scratch.weights())
    let small = try InventedGPU(["MEMORY": 128 * mebi, "ALLOCATION": 128 * mebi])
    let sides = try ["float", "half"].map { precision in
      let run = try small.run([
        "restore", picture, "-m", weights, "-o", scratch.file("out.png"), "-d", "gpu",
        "--overwrite", "--verbose", "--precision", precision,
      ])
      XCTAssertEqual(run.program.status, 0, run.program.errors)
      XCTAssertLessThanOrEqual(run.mostInUse, 128 * mebi / 8 * 7)
      XCTAssertEqual(run.program.errors.contains("of activations as half"), precision == "half")
      let tiles = run.program.errors.components(separatedBy: "tiles of ")
      return tiles.count > 1 ? Int(tiles[1].prefix { $0.isNumber }) ?? 0 : 640
    }
    XCTAssertGreaterThan(sides[1], sides[0])
  }

  /// A launch that takes too long makes a system reset its GPU: those of a 4K picture come in
  /// pieces, and those of training steps.
  func testNoLaunchIsLong() throws {
    let gpu = try InventedGPU(["MEMORY": 1 << 42, "ALLOCATION": 1 << 40])
    let run = try gpu.run([
      "bench", "plan", "-d", "gpu", "--size", "3840x2160", "--batch", "8", "--json",
    ])
    let report = try XCTUnwrap(
      try JSONSerialization.jsonObject(with: Data(run.program.output.utf8)) as? [String: Any],
      run.program.errors)
    for part in ["inference_plan", "training_plan"] {
      let plan = try XCTUnwrap(report[part] as? [String: Any])
      let longest = try XCTUnwrap(plan["longest_launch"] as? Double, part)
      XCTAssertLessThanOrEqual(longest, 0.3, part)
      XCTAssertGreaterThan(longest, 0.1, "\(part): cut finer than need be")
    }
  }

  /// Every launch keeps to the work-group that the device and its kernels allow.
  func testWorkGroupsFitEveryDevice() throws {
    for (limit, group) in [("GROUP", 64), ("GROUP", 128), ("GROUP", 256), ("GROUP", 1024)]
      + [("KERNEL_GROUP", 64), ("KERNEL_GROUP", 128)]
    {
      let gpu = try InventedGPU([limit: group])
      let run = try gpu.run([
        "bench", "inference", "training", "-d", "gpu", "--preset", "tiny", "--size", "64x64",
        "--patch", "32", "--repeats", "1",
      ])
      XCTAssertEqual(run.program.status, 0, "groups of \(group): \(run.program.errors)")
      XCTAssertLessThanOrEqual(run.launches.map(\.items).max() ?? 0, group)
    }
  }

  private func number(_ name: String, in text: String) -> Int? {
    guard let range = text.range(of: "\"\(name)\"\\s*:\\s*", options: .regularExpression) else {
      return nil
    }
    return Int(text[range.upperBound...].prefix { $0.isNumber })
  }
}
