import Foundation
import Restormer
import TestSupport
import XCTest

/// The server's page in a real browser: `make test-browser` installs one and runs these.
final class ServeBrowserTests: XCTestCase {
  private var scratch: Scratch!
  private var browser: Browser!
  private var server: ServedProgram!

  override func setUpWithError() throws {
    guard ProcessInfo.processInfo.environment["RESTORMER_BROWSER_TESTS"] == "1" else {
      throw XCTSkip("'make test-browser' tries the page in a browser (RESTORMER_BROWSER_TESTS=1)")
    }
    browser = try Browser(try XCTUnwrap(Browser.path, "no Chromium in PATH"))
    scratch = try Scratch()
    server = try ServedProgram(["-m", scratch.weights(), "-m", "document-deblurring"])
  }

  override func tearDown() { (browser, server, scratch) = (nil, nil, nil) }

  private func open(width: Int = 1280) throws {
    try browser.open(server.url, width: width)
    try browser.wait(for: "document.querySelectorAll('#model option').length === 2")
  }

  private func states() throws -> [String] { try browser.texts("#list .state") }

  private func waitUntilDone(_ count: Int) throws {
    try browser.wait(for: "document.querySelectorAll('#list li.done').length === \(count)")
  }

  /// Waits for a line of the server's numbers: the page does not wait for answers to what it drops.
  private func waitForMetric(_ line: String, at place: UInt = #line) throws {
    var numbers = ""
    for _ in 0..<100 {
      numbers = String(decoding: try server.curl("metrics"), as: UTF8.self)
      if numbers.split(separator: "\n").contains(Substring(line)) { return }
      usleep(100_000)
    }
    XCTFail("never '\(line)' in\n\(numbers)", line: place)
  }

  private func keepPicture(_ name: String) throws {
    if let folder = ProcessInfo.processInfo.environment["RESTORMER_SCREENSHOTS"] {
      try browser.screenshot("\(folder)/\(name).png")
    }
  }

  /// Asks axe-core for faults of accessibility, where it is there.
  private func checkAccessibility(_ line: UInt = #line) throws {
    guard let path = ProcessInfo.processInfo.environment["RESTORMER_AXE"], !path.isEmpty else {
      return
    }
    _ = try browser.value(String(contentsOfFile: path, encoding: .utf8) + "\n;0")
    let faults = try browser.value(
      """
      axe.run().then((result) => result.violations.map((fault) =>
        fault.id + ": " + fault.nodes.map((node) => node.html).join(" ")))
      """)
    XCTAssertEqual(faults as? [String], [], line: line)
  }

  func testAPictureIsDroppedRestoredAndCompared() throws {
    try open()
    try checkAccessibility()
    let picture = try scratch.picture("a <b>.png", 200, 120)
    try browser.drop([picture], on: "#drop")
    try waitUntilDone(1)
    XCTAssertEqual(try browser.texts("#list .file"), ["a <b>.png"])
    try browser.wait(for: "document.querySelectorAll('.pane img').length === 2")
    XCTAssertEqual(try browser.texts(".tag"), ["Before", "After"])
    XCTAssertEqual(
      try browser.value(
        """
        Promise.all([...document.querySelectorAll(".pane img")].map(async (image) => {
          await image.decode(); return image.naturalWidth + "x" + image.naturalHeight; }))
        """) as? [String], ["200x120", "200x120"])
    let stage = try browser.place("#stage")
    let width = try browser.number("document.getElementById('stage').clientWidth")
    try browser.drag(from: stage, to: (stage.x - width / 4, stage.y))
    let border = "Number(document.getElementById('divider').ariaValueNow)"
    XCTAssertEqual(try browser.number(border), 25, accuracy: 1)
    try browser.press("End")
    XCTAssertEqual(try browser.number(border), 100)
    try browser.press("1")
    XCTAssertEqual(try browser.text("document.getElementById('scale').textContent"), "100 %")
    try browser.press("s")
    XCTAssertEqual(
      try browser.text("document.getElementById('stage').dataset.mode"), "side")
    XCTAssertEqual(
      try browser.text("document.getElementById('download').download"), "a b.png")
    try browser.press("s")
    try keepPicture("serve-light")
    try browser.click("#theme")
    XCTAssertEqual(try browser.text("document.documentElement.dataset.theme"), "dark")
    try checkAccessibility()
    try keepPicture("serve-dark")
    // A page that is loaded anew takes up what this tab began.
    try open()
    try waitUntilDone(1)
    try browser.press("x")
    try browser.wait(for: "document.querySelectorAll('#list li').length === 0")
    XCTAssertEqual(browser.complaints, [])
  }

  func testAPictureThatTheBrowserDoesNotShowIsShown() throws {
    try open()
    try browser.drop([try scratch.bytes("scan.tif", Self.tiff(60, 40))], on: "#drop")
    try waitUntilDone(1)
    try browser.wait(
      for: """
        [...document.querySelectorAll(".pane img, #list img")]
          .filter((image) => image.naturalWidth === 60 && image.style.visibility === "").length \
          === 3
        """)
    XCTAssertEqual(
      try browser.text("document.getElementById('download').download"), "scan.png")
    XCTAssertEqual(browser.complaints, [])
  }

  /// An uncompressed gray TIFF.
  private static func tiff(_ width: UInt16, _ height: UInt16) -> Data {
    let entries: [(tag: UInt16, value: UInt16)] = [
      (256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8 + 2 + 9 * 12 + 4),
      (277, 1), (278, height), (279, width * height),
    ]
    var words: [UInt16] = [0x4949, 42, 8, 0, UInt16(entries.count)]
    // Each is one 16-bit number in a field of four bytes.
    for entry in entries { words += [entry.tag, 3, 1, 0, entry.value, 0] }
    let head = (words + [0, 0]).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    return Data(head + (0..<Int(width) * Int(height)).map { UInt8($0 * 5 % 256) })
  }

  func testFiftyPicturesAreQueuedAndFetchedTogether() throws {
    try open()
    let files = try (0..<50).map { try scratch.picture("page \($0).png", 24 + $0, 16) }
    try browser.drop(files, on: "#drop")
    try waitUntilDone(50)
    XCTAssertEqual(
      try browser.text("document.getElementById('status').textContent"), "50 of 50 done")
    let size = """
      fetch(document.getElementById("download-all").href).then((answer) => answer.arrayBuffer())
        .then((archive) => [...new Uint8Array(archive.slice(-12, -10))].join(","))
      """
    XCTAssertEqual(try browser.text(size), "50,0", "entries of the archive")
    try browser.press("n")
    XCTAssertEqual(try browser.text("document.getElementById('name').textContent"), "page 1.png")
    try browser.wait(for: "document.querySelectorAll('.pane img').length === 2")
    try keepPicture("serve-fifty")
    try browser.click("#clear")
    try browser.wait(for: "document.querySelectorAll('#list li').length === 0")
    XCTAssertEqual(browser.complaints, [])
  }

  func testBadFilesAreNamedAndWaitingOnesCancelled() throws {
    try open(width: 390)
    let bad = try scratch.bytes("notes.png", Data("no picture".utf8))
    try browser.drop([bad], on: "#drop")
    try browser.wait(for: "document.querySelectorAll('#list li.failed').length === 1")
    XCTAssertEqual(try states(), ["not an image of the formats PNG, JPEG, TIFF, WebP and BMP"])
    XCTAssertLessThanOrEqual(try browser.number("document.documentElement.scrollWidth"), 390)
    try keepPicture("serve-phone-error")
    try browser.click("#list .remove")
    try browser.wait(for: "document.querySelectorAll('#list li').length === 0")
    // The real model needs long enough for a large picture that the second one has to wait.
    _ = try browser.value(
      """
      (() => { const model = document.getElementById("model"); model.value = "document-deblurring";
      model.dispatchEvent(new Event("change")); })()
      """)
    // One after the other: of two uploads side by side the smaller may arrive first.
    try browser.drop([try scratch.picture("large.png", 700, 500)], on: "#drop")
    try browser.wait(for: "document.querySelectorAll('#list li.running').length === 1")
    try browser.drop([try scratch.picture("second.png", 64, 64)], on: "#drop")
    try browser.wait(for: "document.querySelectorAll('#list li.queued').length === 1")
    try keepPicture("serve-phone-progress")
    try browser.click("#list li.queued .remove")
    try browser.click("#list li.running .remove")
    try browser.wait(for: "document.querySelectorAll('#list li').length === 0")
    try checkAccessibility()
    try waitForMetric("restormer_jobs_finished_total{state=\"cancelled\"} 2.0")
    // A refused upload is told in the browser's own log as well.
    XCTAssertEqual(browser.complaints.filter { !$0.contains("422") }, [])
  }
}
