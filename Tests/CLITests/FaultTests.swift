import Foundation
import Restormer
import TestSupport
import XCTest

/// Bad input: one clear line on standard error, an exit code, nothing half-written, and the rest of
/// the batch done.
final class FaultTests: XCTestCase {
  private func expectFault(
    _ arguments: [String], naming parts: [String], limit: String? = nil, line: UInt = #line
  ) throws {
    let run = try Program.run(arguments, limit: limit)
    XCTAssertEqual(run.status, 1, run.errors, line: line)
    XCTAssertEqual(run.faults.count, 1, run.errors, line: line)
    for part in parts { XCTAssertTrue(run.fault.contains(part), run.errors, line: line) }
    XCTAssertFalse(run.errors.contains("Usage:"), run.errors, line: line)
    XCTAssertFalse(run.errors.contains("Fatal error"), run.errors, line: line)
    XCTAssertLessThan(run.errors.split(separator: "\n").count, 4, run.errors, line: line)
  }

  /// What the program says of a picture, and that it leaves no result.
  private func expectBadPicture(
    _ input: String, in scratch: Scratch, naming part: String, limit: String? = nil,
    line: UInt = #line
  ) throws {
    let restore = ["restore", input, "-o", scratch.file("out"), "-m", try scratch.weights()]
    try expectFault(
      restore + ["-d", "cpu"], naming: [(input as NSString).lastPathComponent, part],
      limit: limit, line: line)
    XCTAssertEqual(scratch.names(in: "out"), [], line: line)
  }

  func testDamagedPictures() throws {
    let scratch = try Scratch()
    let whole = try Data(contentsOf: URL(fileURLWithPath: scratch.picture("whole.png", 90, 70)))
    let cut = try scratch.bytes("cut.png", whole.prefix(whole.count / 2))
    try expectBadPicture(cut, in: scratch, naming: "truncated")
    try expectBadPicture(try scratch.bytes("zero.png", Data()), in: scratch, naming: "empty")
    let text = try scratch.bytes("text.png", Data("no picture".utf8))
    try expectBadPicture(text, in: scratch, naming: "PNG")
    try expectBadPicture(scratch.file("missing.png"), in: scratch, naming: "no such file")
    try FileManager.default.createDirectory(
      atPath: scratch.file("nothing"), withIntermediateDirectories: true)
    try expectBadPicture(
      scratch.file("nothing"), in: scratch, naming: "no PNG, JPEG, TIFF, WebP or BMP")
  }

  /// 20,000 x 20,000 pixels of 16 bits, under 8 GB of address space.
  func testAPictureThatCannotFit() throws {
    let scratch = try Scratch()
    var file = try Data(contentsOf: URL(fileURLWithPath: scratch.picture("huge.png", 8, 8)))
    let header: [UInt8] = [
      0x49, 0x48, 0x44, 0x52, 0, 0, 0x4E, 0x20, 0, 0, 0x4E, 0x20, 16, 2, 0, 0, 0,
    ]
    var crc = UInt32.max
    for byte in header {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    file.replaceSubrange(12..<29, with: header)
    file.replaceSubrange(29..<33, with: withUnsafeBytes(of: (~crc).bigEndian, Array.init))
    // As long as a file of so many pixels is at least.
    let path = try scratch.bytes("huge.png", file + Data(count: 4_000_000))
    try expectBadPicture(path, in: scratch, naming: "20000x20000", limit: "-v 8000000")
  }

  func testOneBadFileDoesNotStopTheBatch() throws {
    let scratch = try Scratch()
    let good = [try scratch.picture("a.png", 16, 16), try scratch.picture("z.png", 3, 5000)]
    let zero = try scratch.bytes("zero.png", Data())
    let run = try Program.run(
      [
        "restore", zero, good[0], scratch.file("missing"), good[1], "-o", scratch.file("out"),
        "-m", try scratch.weights(), "-d", "cpu",
      ])
    XCTAssertEqual(run.status, 1)
    XCTAssertEqual(scratch.names(in: "out"), ["a.png", "z.png"])
    XCTAssertEqual(run.faults.count, 2, run.errors)
    XCTAssertTrue(run.errors.contains("2 of 4 failed"), run.errors)
    XCTAssertEqual(try Image(contentsOf: scratch.file("out/z.png")).height, 5000)
  }

  func testOutputsThatCannotBeWritten() throws {
    let scratch = try Scratch()
    let input = try scratch.picture("a.png", 64, 64)
    let restore = ["restore", input, "-m", try scratch.weights(), "-d", "cpu", "-o"]
    try expectFault(restore + [input + "/below"], naming: [input])
    try expectFault(restore + [input + "/below.png"], naming: [input])
    #if os(Linux)
      try expectFault(restore + ["/proc/restormer"], naming: ["/proc/restormer"])
    #endif
    try expectFault(restore + [scratch.file("b.webp")], naming: ["b.webp", "PNG and JPEG"])
    try expectFault(
      [
        "restore", input, try scratch.picture("c.png", 8, 8), "-m", try scratch.weights(), "-d",
        "cpu", "-o",
        scratch.file("b.png"),
      ],
      naming: ["b.png", "folder"])
    XCTAssertEqual(scratch.names(in: ""), ["a.png", "c.png", "weights.safetensors"])
  }

  /// A disk that fills up, as the limit of a file's size shows it: 1 KB.
  func testAFullDisk() throws {
    let scratch = try Scratch()
    let input = try scratch.picture("a.png", 64, 64, bitDepth: 16)
    let restore = ["restore", input, "-m", try scratch.weights(), "-d", "cpu", "-o"]
    try expectFault(
      restore + [scratch.file("out/a.png")], naming: ["a.png", "cannot write"], limit: "-f 1")
    XCTAssertEqual(scratch.names(in: "out"), [])
  }

  func testInstructionsThatNoMachineHas() throws {
    let scratch = try Scratch()
    let run = try Program.run(
      [
        "restore", try scratch.picture("a.png", 8, 8), "-o", scratch.file("b.png"), "-m",
        try scratch.weights(), "-d", "cpu",
      ], environment: ["RESTORMER_CPU_FEATURES": "avx9"])
    XCTAssertEqual(run.status, 1, run.errors)
    XCTAssertTrue(
      run.fault.contains(
        "RESTORMER_CPU_FEATURES: 'avx9', expected what this machine has: portable"),
      run.errors)
    XCTAssertEqual(scratch.names(in: "b.png"), [])
  }

  func testMissingDevices() throws {
    let scratch = try Scratch()
    let restore = [
      "restore", try scratch.picture("a.png", 8, 8), "-o", scratch.file("b.png"), "-m",
      try scratch.weights(), "-d",
    ]
    for device in ["no such device", "99"] {
      try expectFault(restore + [device], naming: [device, "CPU backend"])
    }
    try expectFault(["doctor", "-d", "no such device"], naming: ["CPU backend"])
    try expectFault(
      restore + ["cpu", "--precision", "half"], naming: ["precision half", "CPU backend"])
    for device in ["cpu", "0"] {
      try expectFault(
        restore + [device, "--precision", "tf32"], naming: ["precision tf32", "no unit for it"])
    }
    let list = try Program.run(["devices", "-d", "no such device"])
    XCTAssertEqual(list.status, 1)
    XCTAssertTrue(list.output.contains("CPU backend"), "the list would show what there is")
  }

  func testWeightsThatCannotBeUsed() throws {
    let scratch = try Scratch()
    let input = try scratch.picture("a.png", 8, 8)
    let evil = try Golden.file("06_checkpoints", "evil_eval.pth").path
    for (file, part) in [
      (scratch.file("none.pth"), "no such file"), (scratch.path, "folder"),
      (input, "a.png"), (evil, "__builtin__.eval"),
    ] {
      try expectFault(
        ["restore", input, "-o", scratch.file("b.png"), "-m", file, "-d", "cpu"],
        naming: [file, part])
      try expectFault(["info", file], naming: [file, part])
    }
    XCTAssertFalse(FileManager.default.fileExists(atPath: scratch.file("b.png")))
  }

  /// A pipe has no end that could be waited for, and names in a file must not reach the terminal as
  /// commands.
  func testWeightsOfNoFile() throws {
    let scratch = try Scratch()
    XCTAssertEqual(mkfifo(scratch.file("pipe.pth"), 0o600), 0)
    try expectFault(["info", scratch.file("pipe.pth")], naming: ["pipe.pth", "regular file"])
    let header = "{\"\\u001b[2J\":{\"dtype\":\"\\u001b[31m\",\"shape\":[0],\"data_offsets\":[0,0]}}"
    let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
    let file = try scratch.bytes("escape.safetensors", length + Data(header.utf8))
    XCTAssertFalse(try Program.run(["info", file]).errors.contains("\u{1B}"))
  }

  /// Ctrl-C in the midst of an image leaves at once, with the shell's code for it and no part of a
  /// file.
  func testInterruption() throws {
    let scratch = try Scratch()
    try scratch.picture("in/a.png", 8, 8)
    try scratch.picture("in/b.png", 2000, 1500)
    let weights = try scratch.weights()
    let run = try Program.run(
      ["restore", scratch.file("in"), "-o", scratch.file("out"), "-m", weights, "-d", "cpu"],
      meanwhile: { process in
        while !scratch.names(in: "out").contains("a.png") { usleep(10_000) }
        process.interrupt()
      })
    XCTAssertEqual(run.status, 130, run.errors)
    XCTAssertTrue(run.errors.hasSuffix("interrupted\n"), run.errors)
    XCTAssertEqual(scratch.names(in: "out"), ["a.png"])
  }

  /// Wrong options, and only they, are answered with the usage.
  func testWrongOptions() throws {
    let scratch = try Scratch()
    let restore = [
      "restore", try scratch.picture("a.png", 8, 8), "-o", scratch.file("b.png"), "-m",
      try scratch.weights(),
    ]
    for options in [
      ["-t", "13"], ["-t", "x"], ["--overlap", "-8"], ["--overlap", "9223372036854775807"],
      ["-f", "gif"], ["--nothing"],
    ] {
      let run = try Program.run(restore + options)
      XCTAssertEqual(run.status, 64, "\(options)")
      XCTAssertTrue(run.errors.contains("Usage:"), run.errors)
    }
  }
}
