import Foundation
import Restormer
import TestSupport
import XCTest

/// Reports in a real browser: `make test-browser` installs one and runs these, and then it must be
/// there.
final class ReportBrowserTests: XCTestCase {
  private var scratch: Scratch!
  private var browser: Browser!

  override func setUpWithError() throws {
    guard ProcessInfo.processInfo.environment["RESTORMER_BROWSER_TESTS"] == "1" else {
      throw XCTSkip("'make test-browser' tries reports in a browser (RESTORMER_BROWSER_TESTS=1)")
    }
    browser = try Browser(try XCTUnwrap(Browser.path, "no Chromium in PATH"))
    scratch = try Scratch()
  }

  override func tearDown() { (browser, scratch) = (nil, nil) }

  /// A name that would be a script, were it not escaped.
  private static let evil = "<img src=x onerror='document.title=1'>&amp;\"{{data}}.png"

  /// Targets, inputs at a distance from them, and restored images at half of it: PSNR rises by 6
  /// dB.
  private func makeFolders() throws {
    for (name, distance) in [("a.png", 0.02), ("b10.png", 0.1), (Self.evil, 0.06), ("b9.png", 0.1)]
    {
      try scratch.picture("target/" + name, 200, 120)
      let target = try Image(contentsOf: scratch.file("target/" + name))
      for (folder, factor) in [("before", 1.0), ("after", name == "b9.png" ? 1.5 : 0.5)] {
        var image = target
        for index in image.pixels.indices {
          image.pixels[index] += Float(distance * factor) * (index % 2 == 0 ? 1 : -1)
        }
        try FileManager.default.createDirectory(
          atPath: scratch.file(folder), withIntermediateDirectories: true)
        try image.write(to: scratch.file("\(folder)/\(name)"), format: .png)
      }
    }
  }

  private func makePage(_ options: [String] = []) throws -> String {
    try makeFolders()
    let page = scratch.file("report.html")
    let run = try Program.run(
      ["compare", scratch.file("before"), scratch.file("after"), "-o", page] + options)
    XCTAssertEqual(run.status, 0, run.errors)
    return page
  }

  private var targets: [String] { ["--target", scratch.file("target")] }

  private func order() throws -> [String] { try browser.texts("#list .file") }

  private func transforms() throws -> [String] {
    try browser.value("[...document.querySelectorAll('.pane img')].map((i) => i.style.transform)")
      as? [String] ?? []
  }

  private func border() throws -> Double {
    try browser.number("Number(document.getElementById('divider').ariaValueNow)")
  }

  /// Whether the page asked for nothing but itself and did not complain.
  private func checkQuiet(_ line: UInt = #line) {
    XCTAssertEqual(browser.complaints, [], line: line)
    let foreign = browser.requests.filter { !$0.hasPrefix("data:") && !$0.hasSuffix("report.html") }
    XCTAssertEqual(foreign, [], line: line)
    XCTAssertFalse(browser.requests.isEmpty, line: line)
  }

  /// Leaves a picture where someone wants to look at the page.
  private func keepPicture(_ name: String) throws {
    if let folder = ProcessInfo.processInfo.environment["RESTORMER_SCREENSHOTS"] {
      try browser.screenshot("\(folder)/\(name).png")
    }
  }

  func testScoresAndOrders() throws {
    try browser.open(makePage(targets))
    XCTAssertEqual(try order(), ["b9.png", "b10.png", Self.evil, "a.png"])
    XCTAssertEqual(try browser.text("document.title"), "report")
    XCTAssertEqual(try browser.text("document.getElementById('name').textContent"), "b9.png")
    let target = try Image(contentsOf: scratch.file("target/b9.png"))
    var expected: [String] = []
    for folder in ["before", "after"] {
      let scores = try Scores(
        Image(contentsOf: scratch.file("\(folder)/b9.png")), against: target)
      expected += zip(
        ["%.2f", "%.4f", "%.4f", "%.5f"], [scores.psnr, scores.ssim, scores.l1, scores.l2]
      ).map { String(format: $0, $1) }
    }
    let shown = try browser.texts("#scores td")
    XCTAssertEqual(Array(shown.prefix(8)), expected)
    XCTAssertEqual(shown.count, 12)
    XCTAssertTrue(shown[8].hasPrefix("−3."), shown[8])
    XCTAssertEqual(
      try browser.value("document.querySelectorAll('#scores .worse').length") as? Int, 4)
    XCTAssertTrue(
      try browser.text("document.getElementById('overview').textContent").contains(
        "3 of 4 better by PSNR"))
    for (title, first) in [
      ("Best first (PSNR)", "a.png"), ("Name", Self.evil), ("Largest gain first", "b10.png"),
      ("Highest L1 first", "b9.png"),
    ] {
      _ = try browser.value(
        """
        (() => { const order = document.getElementById("order");
        order.value = [...order.options].find((o) => o.text === "\(title)").value;
        order.dispatchEvent(new Event("change")); })()
        """)
      let names = try order()
      if title == "Largest gain first" {
        // All gain 6 dB but one, which comes last.
        XCTAssertEqual(names.last, "b9.png", title)
      } else {
        XCTAssertEqual(names.first, first, title)
      }
    }
    checkQuiet()
  }

  func testTheBorderMovesByMouseAndKeys() throws {
    try browser.open(makePage(targets))
    XCTAssertEqual(try border(), 50)
    try keepPicture("desktop")
    let stage = try browser.place("#stage")
    let width = try browser.number("document.getElementById('stage').clientWidth")
    try browser.drag(from: stage, to: (stage.x - width / 4, stage.y))
    XCTAssertEqual(try border(), 25, accuracy: 1)
    let clip = try browser.text("document.querySelector('.pane.second').style.clipPath")
    XCTAssertTrue(clip.contains("24.") || clip.contains("25"), clip)
    for (key, expected) in [("End", 100.0), ("ArrowLeft", 98), ("Home", 0), ("ArrowRight", 2)] {
      try browser.press(key)
      XCTAssertEqual(try border(), expected, key)
    }
    checkQuiet()
  }

  func testZoomAndPlaceAreShared() throws {
    try browser.open(makePage(targets))
    let whole = try transforms()
    XCTAssertEqual(Set(whole).count, 1)
    let stage = try browser.place("#stage")
    try browser.wheel(at: (stage.x + 100, stage.y - 50), by: -700)
    let near = try transforms()
    XCTAssertEqual(Set(near).count, 1)
    XCTAssertNotEqual(near, whole)
    try browser.drag(from: (stage.x + 90, stage.y), to: (stage.x + 40, stage.y + 60))
    let moved = try transforms()
    XCTAssertNotEqual(moved, near)
    XCTAssertEqual(try border(), 50)
    try browser.press("s")
    XCTAssertEqual(try transforms().count, 3)
    XCTAssertEqual(Set(try transforms()).count, 1)
    XCTAssertEqual(try browser.texts(".tag"), ["Before", "After", "Target"])
    try keepPicture("side-by-side")
    try browser.press("1")
    XCTAssertEqual(try browser.text("document.getElementById('scale').textContent"), "100 %")
    try browser.press("s")
    try browser.press("0")
    XCTAssertEqual(try transforms(), whole)
    try browser.click("#larger")
    XCTAssertNotEqual(try transforms(), whole)
    checkQuiet()
  }

  func testImagesAreChosenByKeysAndButtons() throws {
    try browser.open(makePage(targets))
    let name = "document.getElementById('name').textContent"
    try browser.press("n")
    XCTAssertEqual(try browser.text(name), "b10.png")
    try browser.click("#next")
    XCTAssertEqual(try browser.text(name), Self.evil)
    try browser.press("p")
    XCTAssertEqual(try browser.text(name), "b10.png")
    try browser.click("#list li:last-child button")
    XCTAssertEqual(try browser.text(name), "a.png")
    try browser.press("ArrowUp")
    XCTAssertEqual(try browser.text(name), Self.evil)
    // Every picture there is can be decoded, at its size.
    let sizes = """
      Promise.all([...document.querySelectorAll("script[type='text/plain']")].map(async (e) => {
        const image = new Image(); image.src = e.textContent; await image.decode();
        return image.naturalWidth + "x" + image.naturalHeight; }))
      """
    XCTAssertEqual(
      try browser.value(sizes) as? [String], Array(repeating: "200x120", count: 12))
    let theme = "document.documentElement.dataset.theme"
    XCTAssertEqual(try browser.text(theme), "light")
    try browser.click("#theme")
    XCTAssertEqual(try browser.text(theme), "dark")
    try keepPicture("dark")
    checkQuiet()
  }

  func testAPhoneShowsAllOfItAndTakesFingers() throws {
    try browser.open(makePage(targets), width: 390, height: 844)
    XCTAssertLessThanOrEqual(try browser.number("document.documentElement.scrollWidth"), 390)
    try keepPicture("phone")
    let stage = try browser.place("#stage")
    try browser.touch([[stage, (stage.x + 40, stage.y), (stage.x + 91, stage.y)]])
    XCTAssertEqual(try border(), 75, accuracy: 2)
    let whole = try transforms()
    try browser.touch([
      [(stage.x - 20, stage.y), (stage.x - 50, stage.y), (stage.x - 80, stage.y)],
      [(stage.x + 20, stage.y), (stage.x + 50, stage.y), (stage.x + 80, stage.y)],
    ])
    XCTAssertNotEqual(try transforms(), whole)
    XCTAssertEqual(Set(try transforms()).count, 1)
    checkQuiet()
  }

  /// Without targets there are no scores, without a model nothing before.
  func testReportsOfOtherCommands() throws {
    try browser.open(makePage())
    XCTAssertEqual(try browser.texts("#scores td"), [])
    XCTAssertEqual(try order().last, "a.png")
    checkQuiet()
    let page = scratch.file("report.html")
    let (weights, after) = (try scratch.weights(), scratch.file("after"))
    try Program.run([
      "restore", after, "-o", scratch.file("out"), "-m", weights, "-d", "cpu", "--report", page,
    ])
    try browser.open(page)
    XCTAssertEqual(try order().count, 4)
    XCTAssertTrue(try browser.texts("#list .score")[0].hasPrefix("changed by 0."))
    checkQuiet()
    try Program.run(["evaluate", after, scratch.file("target"), "--report", page])
    try browser.open(page)
    XCTAssertEqual(try browser.texts(".tag"), ["Image", "Target"])
    XCTAssertEqual(try browser.texts("#scores td").count, 4)
    checkQuiet()
    try Program.run([
      "evaluate", after, scratch.file("target"), "-m", weights, "-d", "cpu", "--report", page,
    ])
    try browser.open(page)
    XCTAssertEqual(try browser.texts("#pair option").count, 3)
    XCTAssertEqual(try browser.texts("#scores td").count, 12)
    checkQuiet()
  }

  /// A sweep's plot: every word lies within the picture and none over another.
  func testThePlotOfASweepIsLegible() throws {
    // Wider than the curves and their legend.
    let name = String(repeating: "a name WITH wide letters ", count: 5)
    let folder = try SweepFolder.make(scratch, name: name + "and an end")
    try browser.open(folder + "/sweep.svg")
    XCTAssertEqual(try browser.number("document.querySelectorAll('polyline').length"), 4)
    let faults = """
      (() => {
        const frame = document.documentElement.viewBox.baseVal;
        const boxes = [...document.querySelectorAll("text")].map((e) => [e.textContent, \
        e.getBoundingClientRect()]);
        const outside = boxes.filter(([, b]) => b.left < 0 || b.top < 0 || b.right > frame.width
          || b.bottom > frame.height).map(([text]) => text);
        const over = boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([, q]) => p.left < \
        q.right
          && q.left < p.right && p.top < q.bottom && q.top < p.bottom).map(([b]) => a + " over " + \
          b));
        return outside.concat(over);
      })()
      """
    XCTAssertEqual(try browser.value(faults) as? [String], [])
    try keepPicture("sweep")
    XCTAssertEqual(browser.complaints, [])
  }
}
