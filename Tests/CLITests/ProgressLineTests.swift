import Foundation
import TestSupport
import XCTest

#if os(Linux)
  /// The line that is redrawn on a terminal stays one line, however narrow it is.
  final class ProgressLineTests: XCTestCase {
    /// A terminal of the system's own making.
    private final class Terminal {
      let user: Int32
      let program: Int32
      var columns: Int {
        didSet { resize() }
      }

      init(columns: Int) throws {
        user = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        // TIOCSPTLCK and TIOCGPTN: unlock the other end, and ask for its number.
        var (lock, number) = (Int32(0), Int32(0))
        XCTAssertEqual(ioctl(user, 0x4004_5431, &lock), 0)
        XCTAssertEqual(ioctl(user, 0x8004_5430, &number), 0)
        program = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        XCTAssertGreaterThanOrEqual(program, 0)
        self.columns = columns
        resize()
      }

      deinit { close(user) }

      private func resize() {
        var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
        XCTAssertEqual(ioctl(user, UInt(TIOCSWINSZ), &size), 0)
      }
    }

    private func columns(_ text: Substring) -> Int {
      text.unicodeScalars.reduce(0) { $0 + ((0x3000..<0xFFFF).contains($1.value) ? 2 : 1) }
    }

    private static func bars(_ shown: String) -> [String] {
      shown.components(separatedBy: "\r\u{1B}[K").filter { $0.contains("% ") }
    }

    func testTheLineIsCutToTheTerminal() throws {
      let scratch = try Scratch()
      let name = String(repeating: "\u{30DA}\u{30FC}\u{30B8}", count: 12)
      try scratch.picture("\(name).png", 500, 400)
      let terminal = try Terminal(columns: 60)
      let process = Process()
      process.executableURL = URL(fileURLWithPath: try Program.path())
      process.arguments = [
        "restore", scratch.file("\(name).png"), "-o", scratch.file("out"), "-m",
        try scratch.weights(), "-d", "cpu", "-t", "64",
      ]
      process.standardError = FileHandle(fileDescriptor: terminal.program, closeOnDealloc: false)
      process.standardOutput = FileHandle.nullDevice
      process.standardInput = FileHandle.nullDevice
      try process.run()
      close(terminal.program)
      var (shown, drawnBefore) = ("", Int?.none)
      var buffer = [UInt8](repeating: 0, count: 65_536)
      while case let count = read(terminal.user, &buffer, buffer.count), count > 0 {
        shown += String(decoding: buffer[..<count], as: UTF8.self)
        if drawnBefore == nil, shown.contains("1/1") {
          terminal.columns = 24
          drawnBefore = Self.bars(shown).count
        }
      }
      process.waitUntilExit()
      XCTAssertEqual(process.terminationStatus, 0, shown)
      let bars = Self.bars(shown)
      let widths = bars.map { columns($0[...]) }
      XCTAssertLessThan(widths[0], 60)
      XCTAssertGreaterThan(widths[0], 30)
      // What was drawn while the width changed is not counted.
      let later = widths.dropFirst(try XCTUnwrap(drawnBefore) + 3)
      XCTAssertGreaterThan(later.count, 1, "\(widths)")
      XCTAssertTrue(later.allSatisfy { $0 < 24 }, "\(widths)")
      XCTAssertFalse(bars.contains { $0.contains("\n") }, shown)
    }
  }
#endif
